"""The command line: `flagpost serve` and the commands of an operator."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from flagpost import __version__
from flagpost import settings as settings_module
from flagpost.errors import FlagpostError
from flagpost.settings import Settings
from flagpost.telemetry.logging import set_up_logging

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Feature flags and Jira issues, connected.")
user_app = typer.Typer(no_args_is_help=True, help="Users of the console.")
key_app = typer.Typer(no_args_is_help=True, help="API keys.")
app.add_typer(user_app, name="user")
app.add_typer(key_app, name="key")
migrate_from_app = typer.Typer(no_args_is_help=True, help="Import an account of another product.")
app.add_typer(migrate_from_app, name="migrate-from")

out = Console(soft_wrap=True, highlight=False)
_VERDICTS = {"good": ("green", "ok  "), "bad": ("red", "BAD "), "advice": ("blue", "note")}

DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="sqlite:///file.db or postgresql://…  [env: FLAGPOST_DATABASE_URL]")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"flagpost {__version__}")
        raise typer.Exit


@app.callback()
def flagpost(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Feature flags and Jira issues, connected."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.  [env: FLAGPOST_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.  [env: FLAGPOST_PORT]")] = None,
    database_url: DatabaseUrl = None,
    worker: Annotated[bool, typer.Option(help="Deliver to Jira from this process too.")] = True,
) -> None:
    """Run Flagpost: console, APIs and delivery to Jira, in one process."""
    from flagpost.app import serve as run

    run(settings_module.load(host=host, port=port, database_url=database_url), works=worker)


@app.command()
def worker(database_url: DatabaseUrl = None) -> None:
    """Deliver to Jira, beside serving processes on this host or others. On PostgreSQL only."""
    from flagpost.app import work

    work(_settings(database_url))


@app.command()
def migrate(database_url: DatabaseUrl = None) -> None:
    """Migrate the database to the schema of this version. On SQLite, `serve` does it by itself."""
    from flagpost.store import migrate as migrations
    from flagpost.store.db import Database

    database = Database(_settings(database_url).database_url)
    before = migrations.current_revision(database)
    migrations.upgrade(database)
    after = migrations.current_revision(database)
    database.close()
    out.print("Already up to date." if before == after else f"Migrated from {before or 'nothing'} to {after}.")


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="The console's port; 0 takes any free one.")] = 8080,
    sandbox_port: Annotated[int, typer.Option(help="The Jira sandbox's port; 0 takes any free one.")] = 8081,
    browser: Annotated[bool, typer.Option(help="Open both pages in the browser.")] = True,
) -> None:
    """Run the console and a Jira Cloud sandbox, connected, with example flags and issues to try."""
    from flagpost.commands.demo import run

    run(port=port, sandbox_port=sandbox_port, open_browser=browser)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A .csv or .json file (docs/reference/import-format.md).")],
    project: Annotated[str, typer.Option(help="The project of the flags, by name or id.")] = "Default",
    traffic_type: Annotated[str, typer.Option(help="The traffic type of flags whose line names none.")] = "user",
    create_owners: Annotated[bool, typer.Option(help="Create a group for every owner that does not exist.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Report what would be done, and change nothing.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Create flags from a file and connect them with their Jira issues. Can be repeated; creates nothing twice."""
    from flagpost.commands import import_file

    refused = import_file.run(
        _settings(database_url), file, project, traffic_type, create_owners=create_owners, dry_run=dry_run
    )
    if refused:
        raise typer.Exit(1)


_SplitKey = Annotated[
    str,
    typer.Option(
        help="An Admin API key of the account.",
        envvar="FLAGPOST_SPLIT_API_KEY",
        prompt="Admin API key",
        hide_input=True,
        show_envvar=False,
    ),
]
_CreateUsers = Annotated[
    bool, typer.Option("--create-users", help="Invite the users and create the groups that exist only in Split.")
]
_KeepShares = Annotated[
    bool,
    typer.Option(
        "--keep-shares",
        help="Keep the treatment of every customer. Creates an SDK key in each environment of Split, and deletes it.",
    ),
]


@migrate_from_app.command("split")
def migrate_from_split(
    api_key: _SplitKey,
    base_url: Annotated[
        str, typer.Option(help="The address of the Admin API.")
    ] = "https://api.split.io/internal/api/v2",
    workspace: Annotated[list[str] | None, typer.Option(help="Only this project, by name or id; repeatable.")] = None,
    create_users: _CreateUsers = False,
    keep_shares: _KeepShares = False,
    sdk_url: Annotated[str | None, typer.Option(help="The address that applications get their flags from.")] = None,
    requests_a_second: Annotated[float, typer.Option(help="The limit; Split allows 2.")] = 2.0,
    cache: Annotated[Path, typer.Option(help="The file that caches responses until the end.")] = Path(
        "flagpost-split-migration.cache"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Read everything again, ignoring the cache.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Import a Harness FME (Split) account by its Admin API. Can be stopped and repeated; creates nothing twice."""
    from flagpost.commands.split_migration import Options, run

    options = Options(
        api_key,
        base_url,
        tuple(workspace or ()),
        create_users,
        keep_shares,
        sdk_url,
        requests_a_second,
        cache,
        fresh,
    )
    if run(_settings(database_url), options):
        raise typer.Exit(1)


@app.command()
def doctor(database_url: DatabaseUrl = None) -> None:
    """Check this installation, and say what is wrong and what to do."""
    from flagpost.commands.doctor import check

    findings = check(_settings(database_url))
    for finding in findings:
        color, word = _VERDICTS[finding.verdict.value]
        out.print(f"[{color}]{word}[/] {escape(finding.text)}")
        if finding.to_do:
            out.print(f"     → {escape(finding.to_do)}")
    if any(finding.verdict == "bad" for finding in findings):
        raise typer.Exit(1)


@app.command("jira-preview")
def jira_preview(
    flag: Annotated[str, typer.Argument(help="The flag, by name or id.")],
    project: Annotated[str, typer.Option(help="The flag's project, by name or id.")] = "Default",
    database_url: DatabaseUrl = None,
) -> None:
    """Show the request that would be sent to Jira for a flag now, and send nothing."""
    from flagpost.actions.jira.payload_preview import preview
    from flagpost.app import operator_context

    with operator_context(_settings(database_url)) as (ctx, operator):
        found = preview(ctx, operator, project, flag)
    out.print(escape(found.why))
    if found.method:
        print(f"\n{found.method} {found.url}")
    if found.body:
        print(json.dumps(found.body, indent=2, ensure_ascii=False))


@app.command()
def resync(
    project: Annotated[str | None, typer.Option(help="Only this project's flags, by name or id.")] = None,
    flag: Annotated[str | None, typer.Option(help="Only this flag, by name or id.")] = None,
    wait: Annotated[bool, typer.Option(help="Show the progress until the end.")] = True,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel the resync in progress, and start none.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Send all connected flags to Jira again, or those of a project, or one. `serve` or `worker` sends them."""
    from flagpost.commands import progress

    if cancel:
        progress.cancel_resyncs(_settings(database_url))
    else:
        progress.start_resync(_settings(database_url), _project_of(project, flag), flag, wait=wait)


@app.command()
def compare(
    flag: Annotated[str | None, typer.Option(help="Only this flag, by name or id.")] = None,
    project: Annotated[
        str | None, typer.Option(help="The flag's project, by name or id; Default if not given.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Show the progress until the end.")] = True,
    database_url: DatabaseUrl = None,
) -> None:
    """Compare the flags in Jira with those here, and send again what differs. `serve` or `worker` compares them."""
    from flagpost.commands import progress

    if not progress.start_comparison(_settings(database_url), _project_of(project, flag), flag, wait=wait):
        raise typer.Exit(1)


def _project_of(project: str | None, flag: str | None) -> str | None:
    return project or ("Default" if flag else None)


@app.command("forge-app")
def forge_app(
    base_url: Annotated[str, typer.Option(help="The https address at which Jira and browsers reach Flagpost.")],
    out: Annotated[Path, typer.Option(help="The folder to write to; new or empty.")] = Path("flagpost-forge-app"),
    allow_localhost: Annotated[
        bool,
        typer.Option(
            "--allow-localhost",
            help="Accept an address of this machine, over http too, or a name of your own network: to try the app.",
        ),
    ] = False,
) -> None:
    """Write the app for your Jira Cloud site, to register and install with Atlassian's command line."""
    from flagpost.commands.forge_app import write_app

    for path in write_app(base_url, out, allow_localhost=allow_localhost):
        print(path)
    print(f"\nNext, in {out}: see README.md there, or docs/how-to/connect-jira.md.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")],
    with_key: Annotated[bool, typer.Option("--with-key", help="Copy the key file too, beside the backup.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Copy the SQLite database to a file. Flagpost may run meanwhile."""
    from flagpost.commands.backup import back_up

    for path in back_up(_settings(database_url), file, with_key=with_key):
        out.print(f"Written: {path}", markup=False)
    if not with_key:
        out.print("The key to the secrets is not in the backup: keep flagpost.key, or FLAGPOST_SECRET_KEYS, with it.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `flagpost backup` wrote.")],
    database_url: DatabaseUrl = None,
) -> None:
    """Restore a backup where no database exists yet."""
    from flagpost.commands.backup import restore as restore_file

    _print_counts(restore_file(_settings(database_url), file))
    out.print("Start Flagpost and run `flagpost resync`: Jira may show changes that are newer than the backup.")


@app.command("copy-to")
def copy_to(
    target_url: Annotated[str, typer.Argument(help="An empty database: postgresql://…, or sqlite:///file.db")],
    database_url: DatabaseUrl = None,
) -> None:
    """Copy all data into another, empty database: from SQLite to PostgreSQL, or back. Stop Flagpost first."""
    from flagpost.commands.backup import copy_to as copy_data

    _print_counts(copy_data(_settings(database_url), target_url, Console(stderr=True)))
    out.print("The row counts of all tables agree. Start Flagpost on the new database with the same secret keys.")


def _print_counts(counts: Mapping[str, int]) -> None:
    shown = {"flags": "flags", "connections": "connections", "users": "users", "audit_entries": "audit entries"}
    out.print(", ".join(f"{counts[table]} {noun}" for table, noun in shown.items() if table in counts))


@user_app.command("create")
def user_create(
    email: str,
    name: Annotated[str, typer.Option(help="The name that other users see.")] = "",
    role: Annotated[str, typer.Option(help="admin, editor or viewer.")] = "editor",
    database_url: DatabaseUrl = None,
) -> None:
    """Invite a user, and print the one-time link with which they choose a password."""
    from flagpost.actions.accounts import users
    from flagpost.app import operator_context

    with operator_context(_settings(database_url)) as (ctx, operator):
        link = users.invite_user(ctx, operator, email=email, name=name or email.partition("@")[0], role=role)
        out.print(f"{email} can choose a password here, once, within {link.valid_days} days:")
        out.print(link.url)


@key_app.command("create")
def key_create(
    name: Annotated[str, typer.Option(help="The purpose of the key.")] = "command line",
    kind: Annotated[str, typer.Option(help="admin, server_side or client_side.")] = "admin",
    role: Annotated[list[str] | None, typer.Option(help="Of an admin key: API_ALL_GRANTED, …; repeatable.")] = None,
    project: Annotated[str | None, typer.Option(help="Limit the key to this project.")] = None,
    environment: Annotated[list[str] | None, typer.Option(help="Limit the key to these environments.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create an API key and print it. It is shown only now, and stored as a hash."""
    from flagpost.actions.accounts import api_keys
    from flagpost.app import operator_context

    roles = tuple(role or (["API_ALL_GRANTED"] if kind == "admin" else []))
    with operator_context(_settings(database_url)) as (ctx, operator):
        scope = api_keys.KeyScope(project, environment or ())
        _, secret = api_keys.create_api_key(ctx, operator, name=name, kind=kind, roles=roles, scope=scope)
    print(secret)


def _settings(database_url: str | None) -> Settings:
    return settings_module.load(database_url=database_url)


def main() -> None:
    """Run the command line. A FlagpostError ends it with one line on standard error and exit code 1.

    Results go to standard output, logs to standard error, from level warning on. Commands that serve set their own
    level.
    """
    set_up_logging("warning", "text")
    try:
        app()
    except FlagpostError as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(
            f"flagpost: {error.message}", style="red", markup=False
        )
        sys.exit(1)
