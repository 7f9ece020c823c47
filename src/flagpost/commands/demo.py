"""`flagpost demo`: the console and a Jira sandbox, with the flags and issues of a small shop.

Only Atlassian is simulated. Both servers talk HTTP with each other, the app in the sandbox is configured with the
integration's token, and Jira shows what was sent. All data is deleted when the program ends.

The sandbox is a distribution of its own, which `flagpost[demo]` installs. Importing this module without it raises
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
_USERS = (("eli@example.com", "Eli Editor", "editor"), ("vi@example.com", "Vi Viewer", "viewer"))


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo while it runs."""

    flagpost: Context
    sandbox: Sandbox
    admin: Actor
    installation: str


@dataclass(frozen=True, slots=True)
class _Flag:
    """A flag of the demo. `share` is the percentage of *on* in production; None means no definition there."""

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
    print("Starting …", flush=True)
    with running_demo(port, sandbox_port) as demo:
        console = demo.flagpost.settings.public_url
        print(f"\nThe Flagpost console   {console}")
        print(f"The Jira sandbox       {demo.sandbox.url}")
        print(f"\nSign in to the console as {EMAIL} with the password {PASSWORD}")
        print("All data is deleted when you stop this with Ctrl-C.", flush=True)
        if open_browser:
            for page in (demo.sandbox.url, console):
                webbrowser.open(page)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("\nStopping …", flush=True)


@contextmanager
def running_demo(port: int = 0, sandbox_port: int = 0) -> Iterator[Demo]:
    """Start the demo: the sandbox, Flagpost, users, flags, and the connected integration."""
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
            admin = _add_users(ctx)
            _add_flags(ctx, admin)
            yield Demo(ctx, sandbox, admin, _connect(ctx, admin, sandbox))


@contextmanager
def _sandbox(port: int) -> Iterator[Sandbox]:
    with ExitStack() as stack:
        try:
            sandbox = stack.enter_context(running_sandbox(port))
        except OSError as error:
            message = f"Cannot listen on port {port}: {error.strerror}. Choose another --sandbox-port."
            raise SetupError(message) from None
        yield sandbox


def _add_users(ctx: Context) -> Actor:
    link = sessions.first_admin_link(ctx)
    assert link is not None  # noqa: S101 - the database is new
    token = link.rpartition("/")[2]
    session = sessions.create_first_admin(ctx, token, email=EMAIL, name="Ada Admin", password=PASSWORD)
    ada = sessions.signed_in(ctx, session)
    assert ada is not None  # noqa: S101 - signed in a line above
    sessions.sign_out(ctx, ada)
    for email, name, role in _USERS:
        invitation = users.invite_user(ctx, ada.actor, email=email, name=name, role=role)
        invited = sessions.accept_invitation(ctx, invitation.url.rpartition("/")[2], name=name, password=PASSWORD)
        if user := sessions.signed_in(ctx, invited):
            sessions.sign_out(ctx, user)
    members = [one.id for one in users.list_users(ctx, ada.actor)]
    users.create_group(ctx, ada.actor, "Checkout team", "Everything between basket and receipt", members)
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
        _add_definitions(ctx, admin, one)


def _add_definitions(ctx: Context, admin: Actor, one: _Flag) -> None:
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
    """Connect both sides as an admin does, and then the flags with their issues. Gives the id of the installation."""
    chosen = [(project, "Production") for project in ("Web shop", "Mobile app")]
    token = integration.set_up_integration(ctx, admin, chosen).secret
    installation = sandbox.install(forge_manifest(ctx.settings.public_url, APP_ID), page_files())
    status, reason = sandbox.configure(installation, token)
    if status != 200:
        raise SetupError(f"The sandbox could not be connected: {reason}")
    for one in _FLAGS:
        if one.issues:
            issue_links.connect_issues(ctx, admin, one.project, one.name, [one.issues])
    return installation
