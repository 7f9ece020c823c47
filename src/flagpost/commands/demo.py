"""`flagpost demo`: a small shop's flags and issues, with a Jira sandbox beside the console, to play with.

Everything is real but Atlassian: both servers speak HTTP with each other, the app in the sandbox is configured with
the integration's token, and what Jira shows is what was sent. It all ends, and is forgotten, with the program.

The sandbox is a distribution of its own, which `flagpost[demo]` brings. Importing this module without it raises
SetupError with the command that installs it.
"""

import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flagpost.actions.access import Actor
from flagpost.actions.accounts import sessions, users
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.jira import integration, issue_links
from flagpost.actions.projects import projects
from flagpost.actions.unit_of_work import Summary
from flagpost.app import running
from flagpost.commands.forge_app import page_files
from flagpost.errors import SetupError
from flagpost.flags.definition_json import parse
from flagpost.jira.manifest import forge_manifest
from flagpost.settings import Settings
from flagpost.telemetry.logging import set_up_logging

try:
    from jira_sandbox.embedded import Sandbox, running_sandbox
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "jira_sandbox":
        raise
    raise SetupError(
        "The demo needs the Jira sandbox, which is a package of its own. Install it: pip install 'flagpost[demo]'"
    ) from None

APP_ID = "ari:cloud:ecosystem::app/5f0d6f5e-6c1c-4a3a-9b1e-2c7d0f3a8b11"
EMAIL, PASSWORD = "ada@example.com", "try-flagpost"
_PEOPLE = (("eli@example.com", "Eli Editor", "editor"), ("vi@example.com", "Vi Viewer", "viewer"))


@dataclass(frozen=True, slots=True)
class Show:
    """The demo's world while it runs."""

    flagpost: Context
    sandbox: Sandbox
    admin: Actor
    installation: str


@dataclass(frozen=True, slots=True)
class _Flag:
    """A flag of the demo. `share`: percent of *on* in production by the default rule; None: not set up there."""

    project: str
    name: str
    about: str
    status: str
    share: int | None
    issues: str
    tags: tuple[str, ...] = ()
    rules: tuple[tuple[str, tuple[str, ...], int], ...] = ()
    keys: tuple[str, ...] = ()
    killed: bool = False


_FLAGS = (
    _Flag("Web shop", "one_click_pay", "Pay with one click on repeat orders", "Ramping", 25, "PAY-1", ("payments",)),
    _Flag("Web shop", "currency_total", "The total in the customer's currency", "100% Released", 100, "PAY-2 WEB-1"),
    _Flag(
        "Web shop",
        "new_checkout",
        "The checkout's new layout",
        "Internal Testing",
        0,
        "WEB-1 PAY-1",
        ("checkout", "design"),
        rules=(("country", ("DE", "AT", "CH"), 50), ("plan", ("business",), 100)),
        keys=("ada", "ravi"),
    ),
    _Flag("Web shop", "search_suggestions", "Suggestions while typing", "Ramping", 50, "WEB-2", ("search",)),
    _Flag("Web shop", "image_cdn", "Product pictures from the nearest place", "Killed", 100, "WEB-3", killed=True),
    _Flag("Web shop", "retry_declined_cards", "Retry declined cards once only", "Pre-Production", None, "PAY-3"),
    _Flag("Web shop", "store_credit", "Refund to store credit", "100% Released", 100, "PAY-4", ("payments",)),
    _Flag("Web shop", "footer_v2", "The footer for small screens", "Removed from Code", 100, ""),
    _Flag("Mobile app", "fingerprint_sign_in", "Sign in with a fingerprint", "Internal Testing", 10, "MOB-1"),
    _Flag("Mobile app", "offline_basket", "Fill the basket without a network", "Pre-Production", None, "MOB-2"),
    _Flag("Mobile app", "shipping_messages", "Tell people that their order is on its way", "Ramping", 75, "MOB-3"),
    _Flag("Mobile app", "camera_fallback", "Go on where the camera is denied", "Permanent", 100, "MOB-4"),
)


def run(*, port: int, sandbox_port: int, open_browser: bool) -> None:
    """Run the demo until Ctrl-C. SetupError where a port is taken."""
    set_up_logging("error", "text")
    print("Setting the stage …", flush=True)
    with staged(port, sandbox_port) as show:
        console = show.flagpost.settings.public_url
        print(f"\nThe Flagpost console   {console}")
        print(f"The Jira sandbox       {show.sandbox.url}")
        print(f"\nSign in to the console as {EMAIL} with the password {PASSWORD}")
        print("Everything is forgotten when you stop this with Ctrl-C.", flush=True)
        if open_browser:
            for page in (show.sandbox.url, console):
                webbrowser.open(page)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("\nStopping …", flush=True)


@contextmanager
def staged(port: int = 0, sandbox_port: int = 0) -> Iterator[Show]:
    """The demo's world, ready: the sandbox, Flagpost beside it, people, flags, and the integration connected."""
    with tempfile.TemporaryDirectory(prefix="flagpost-demo-") as folder, _sandbox(sandbox_port) as sandbox:
        settings = Settings(
            database_url=f"sqlite:///{Path(folder) / 'demo.db'}",
            host="127.0.0.1",
            port=port,
            atlassian_api_url=sandbox.url,
            forge_jwks_url=f"{sandbox.url}/.well-known/jwks.json",
            forge_app_id=APP_ID,
            allow_insecure_jira=True,
        )
        with running(settings) as ctx:
            admin = _add_people(ctx)
            _add_flags(ctx, admin)
            yield Show(ctx, sandbox, admin, _connect(ctx, admin, sandbox))


@contextmanager
def _sandbox(port: int) -> Iterator[Sandbox]:
    with ExitStack() as stack:
        try:
            sandbox = stack.enter_context(running_sandbox(port))
        except OSError as error:
            message = f"Cannot listen on port {port}: {error.strerror}. Choose another --sandbox-port."
            raise SetupError(message) from None
        yield sandbox


def _add_people(ctx: Context) -> Actor:
    link = sessions.first_admin_link(ctx)
    assert link is not None  # noqa: S101 - the database is new
    token = link.rpartition("/")[2]
    session = sessions.create_first_admin(ctx, token, email=EMAIL, name="Ada Admin", password=PASSWORD)
    ada = sessions.signed_in(ctx, session)
    assert ada is not None  # noqa: S101 - signed in a line above
    sessions.sign_out(ctx, ada)
    for email, name, role in _PEOPLE:
        invitation = users.invite_user(ctx, ada.actor, email=email, name=name, role=role)
        invited = sessions.accept_invitation(ctx, invitation.url.rpartition("/")[2], name=name, password=PASSWORD)
        if who := sessions.signed_in(ctx, invited):
            sessions.sign_out(ctx, who)
    everybody = [user.id for user in users.list_users(ctx, ada.actor)]
    users.create_group(ctx, ada.actor, "Checkout team", "Everything between basket and receipt", everybody)
    return ada.actor


def _add_flags(ctx: Context, admin: Actor) -> None:
    projects.update_project(ctx, admin, "Default", name="Web shop")
    projects.create_project(ctx, admin, "Mobile app")
    team = next(one for one in users.possible_owners(ctx, admin) if one.type == "group")
    for one in _FLAGS:
        flags.create_flag(
            ctx,
            admin,
            one.project,
            name=one.name,
            traffic_type="user",
            description=one.about,
            tags=one.tags,
            owners=[("user", admin.id)] if one.project == "Mobile app" else [("group", team.id)],
            rollout_status=one.status,
        )
        _set_up(ctx, admin, one)


def _set_up(ctx: Context, admin: Actor, one: _Flag) -> None:
    place = (ctx, admin, one.project, one.name)
    definitions.create_definition(*place, "Staging", Draft(parse(_definition(100))), Summary("Try it", "For testers"))
    if one.share is None:
        return
    body = _definition(one.share, one.rules, one.keys)
    definitions.create_definition(*place, "Production", Draft(parse(body)), Summary("Roll out", one.about))
    if one.killed:
        definitions.kill(*place, "Production", Summary("Pictures break", "Some sizes are missing"))


def _definition(
    share: int, rules: tuple[tuple[str, tuple[str, ...], int], ...] = (), keys: tuple[str, ...] = ()
) -> dict[str, object]:
    return {
        "treatments": [{"name": "on", "keys": list(keys)}, {"name": "off"}],
        "defaultTreatment": "on" if share == 100 else "off",
        "defaultRule": _shares(share),
        "rules": [
            {
                "condition": {
                    "combiner": "AND",
                    "matchers": [{"type": "IN_LIST_STRING", "attribute": attribute, "strings": list(values)}],
                },
                "buckets": _shares(part),
            }
            for attribute, values, part in rules
        ],
    }


def _shares(share: int) -> list[dict[str, object]]:
    return [{"treatment": "on", "size": share}, {"treatment": "off", "size": 100 - share}]


def _connect(ctx: Context, admin: Actor, sandbox: Sandbox) -> str:
    """What an admin does on both sides, and what everybody does afterwards."""
    chosen = [(project, "Production") for project in ("Web shop", "Mobile app")]
    token = integration.set_up_integration(ctx, admin, chosen).secret
    installation = sandbox.install(forge_manifest(ctx.settings.public_url, APP_ID), page_files())
    status, said = sandbox.configure(installation, token)
    if status != 200:
        raise SetupError(f"The sandbox could not be connected: {said}")
    for one in _FLAGS:
        if one.issues:
            issue_links.connect_issues(ctx, admin, one.project, one.name, [one.issues])
    return installation
