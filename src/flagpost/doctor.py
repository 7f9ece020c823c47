"""What `flagpost doctor` looks at: each finding says what is right or wrong, and what to do where it is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass

from flagpost.actions.access import system
from flagpost.actions.context import Context
from flagpost.actions.integration import State, get_integration
from flagpost.app import operator_context
from flagpost.errors import FlagpostError
from flagpost.settings import Settings
from flagpost.store import accounts, health, people
from flagpost.store.db import Database


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `to_do` is empty where nothing needs doing."""

    good: bool
    text: str
    to_do: str = ""


def check(settings: Settings) -> list[Finding]:
    """Look at everything; what cannot be looked at because something before it is wrong is left out."""
    try:
        database = Database(settings.database_url)
        trouble = health.trouble(database)
        database.close()
        if trouble:
            return [Finding(False, trouble, "Start Flagpost once on this database, or run: flagpost migrate")]
        with operator_context(settings) as (ctx, _):
            return list(_findings(ctx))
    except FlagpostError as error:
        return [Finding(False, error.message)]


def _findings(ctx: Context) -> Iterator[Finding]:
    yield Finding(True, f"The database can be used: {ctx.db.url.render_as_string(hide_password=True)}")
    with ctx.db.read() as tx:
        anybody, account_id = people.any_user(tx), accounts.first(tx)
    yield Finding(anybody, "Somebody can sign in." if anybody else "Nobody can sign in yet.", _first_admin(anybody))
    yield _base_url(ctx.settings)
    assert account_id is not None  # noqa: S101 - operator_context made sure
    yield from _integration(ctx, account_id)


def _first_admin(anybody: bool) -> str:
    return "" if anybody else "Start Flagpost and open the link it prints."


def _base_url(settings: Settings) -> Finding:
    url = settings.public_url
    if url.startswith("https://"):
        return Finding(True, f"People and Jira reach Flagpost at {url}")
    to_do = "For a real Jira site, set FLAGPOST_BASE_URL to the https address of your proxy."
    return Finding(settings.allow_insecure_jira, f"Flagpost's address is {url}, which Jira Cloud cannot reach.", to_do)


def _integration(ctx: Context, account_id: str) -> Iterator[Finding]:
    found = get_integration(ctx, system(account_id))
    if found.state is State.NOT_SET_UP:
        yield Finding(True, "The Jira integration is not set up.")
        return
    good = found.state in (State.CONNECTED, State.LEAVING)
    site = found.site.site_url if found.site else "no site yet"
    yield Finding(good, f"Jira integration: {found.state.replace('_', ' ')}, {site}.", found.reason)
    yield Finding(found.behind == 0, f"{found.behind} flags are waiting to be sent.", _behind(found.behind))
    if found.refused_count:
        names = ", ".join(push.flag_name for push in found.refused[:5])
        yield Finding(False, f"Jira refused {found.refused_count} flags, among them {names}.", "See the flags' pages.")


def _behind(behind: int) -> str:
    return "Is `flagpost serve` running? It sends them as soon as Jira takes them." if behind else ""
