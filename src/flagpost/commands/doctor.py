"""`flagpost doctor`: checks the database, the users, the address, the secrets, and the connection with Jira."""

from collections.abc import Iterator

from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.actions.jira.diagnostics import Finding, Verdict, bad, check_integration, good
from flagpost.actions.jira.secret_rotation import count_unreadable
from flagpost.app import operator_context
from flagpost.errors import FlagpostError
from flagpost.formatting import counted
from flagpost.settings import Settings
from flagpost.store import health
from flagpost.store.accounts import users
from flagpost.store.db import Database


def check(settings: Settings) -> list[Finding]:
    """Check everything. A check that depends on one that failed is left out."""
    try:
        database = Database(settings.database_url)
        problem = health.trouble(database)
        database.close()
        if problem:
            return [bad(problem, "Start Flagpost once on this database, or run: flagpost migrate")]
        with operator_context(settings) as (ctx, operator):
            return list(_findings(ctx, operator))
    except FlagpostError as error:
        return [bad(error.message, "")]


def _findings(ctx: Context, operator: Actor) -> Iterator[Finding]:
    yield good(f"The database can be used: {ctx.db.url.render_as_string(hide_password=True)}")
    with ctx.db.read() as tx:
        can_sign_in = users.has_active_user(tx)
    if can_sign_in:
        yield good("At least one user can sign in.")
    else:
        yield bad("No user can sign in yet.", "Start Flagpost and open the link that it prints.")
    yield _base_url(ctx.settings)
    yield _secrets(ctx)
    yield from check_integration(ctx, operator)


def _base_url(settings: Settings) -> Finding:
    url = settings.public_url
    if url.startswith("https://"):
        return good(f"Browsers and Jira reach Flagpost at {url}")
    verdict = Verdict.GOOD if settings.allow_insecure_jira else Verdict.BAD
    to_do = "For a real Jira site, set FLAGPOST_BASE_URL to the https address of your proxy."
    return Finding(verdict, f"Flagpost's address is {url}, which Jira Cloud cannot reach.", to_do)


def _secrets(ctx: Context) -> Finding:
    unreadable = count_unreadable(ctx)
    if not unreadable:
        return good("Every stored secret can be read with the present keys.")
    lost = counted(unreadable, "stored secret")
    return bad(f"{lost} cannot be read.", "Add the previous key to FLAGPOST_SECRET_KEYS, or enter the secrets again.")
