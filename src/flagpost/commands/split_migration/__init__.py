"""`flagpost migrate-from split`: imports a Split account (Harness FME), project by project, through its Admin API.

The migration changes nothing in Split, except for the SDK keys that `keep_shares` creates and deletes. It can be
stopped without loss: the responses that were read are cached (`response_cache`), and each object is imported in one
transaction. The next run continues reading where this one stopped and finds the imported objects unchanged.
`actions.imports.split_account` says why the migration can be repeated later.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from flagpost.actions.access import split_migration
from flagpost.app import operator_context
from flagpost.commands.split_migration.account import SplitAccount, Workspace
from flagpost.commands.split_migration.api import BASE_URL, REQUESTS_A_SECOND, SDK_URL, SplitApi
from flagpost.commands.split_migration.flags import import_flags
from flagpost.commands.split_migration.migration import Migration
from flagpost.commands.split_migration.principals import PrincipalMapping
from flagpost.commands.split_migration.project_structure import (
    find_or_create_project,
    import_approvals,
    import_environments,
    import_flag_sets,
    import_traffic_types,
    import_view_permission,
)
from flagpost.commands.split_migration.report import Report
from flagpost.commands.split_migration.response_cache import ResponseCache
from flagpost.commands.split_migration.segments import import_segments
from flagpost.errors import InvalidInput, SetupError
from flagpost.settings import Settings

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Options:
    """What to import, and from where. `keep_shares` needs `sdk_url` unless `base_url` is Split's own."""

    api_key: str
    base_url: str = BASE_URL
    workspaces: Sequence[str] = ()
    create_users: bool = False
    keep_shares: bool = False
    sdk_url: str | None = None
    requests_a_second: float = REQUESTS_A_SECOND
    cache: Path = Path("flagpost-split-migration.cache")
    fresh: bool = False


def run(settings: Settings, options: Options) -> int:
    """Migrate, with a progress bar on the terminal and the report on standard output. Gives the number of refusals."""
    sdk_url = _sdk_url(options)
    if not options.requests_a_second > 0:
        raise InvalidInput("At least some requests have to be sent in a second.", "--requests-a-second")
    report, out = Report(), Console(soft_wrap=True, highlight=False)
    try:
        with _bar() as bar, _response_cache(options, out) as cache:
            _run(settings, options, bar, cache, report, sdk_url)
    finally:
        if not report.is_empty:
            report.show(out)
    return report.refused


def _run(
    settings: Settings, options: Options, bar: Progress, cache: ResponseCache, report: Report, sdk_url: str | None
) -> None:
    def on_wait(seconds: float, why: str) -> None:
        bar.console.print(f"{why}. The next request is sent in {seconds:.0f} s.", style="yellow", markup=False)

    api = SplitApi(options.base_url, options.api_key, cache, options.requests_a_second, on_wait)
    with closing(api), operator_context(settings) as (ctx, operator):
        actor, account = split_migration(operator.account_id), SplitAccount(api, report.warn)
        migrate(Migration(ctx, actor, account, report, _ProgressBar(bar), sdk_url), options)


def migrate(migration: Migration, options: Options) -> None:
    """Import the chosen projects, or all that the key can see. InvalidInput if the key does not see a chosen one."""
    chosen = _choose(migration.account.workspaces(), options.workspaces)
    users = migration.read("users", migration.account.users)
    groups = migration.read("groups", migration.account.groups)
    principals = PrincipalMapping(migration, users, groups, create=options.create_users)
    for source in chosen:
        if project := find_or_create_project(migration, principals, source):
            import_view_permission(project)
            import_environments(project)
            import_traffic_types(project)
            import_flag_sets(project)
            import_segments(project)
            import_flags(project)
            import_approvals(project)


def _choose(visible: Sequence[Workspace], names: Sequence[str]) -> list[Workspace]:
    known = {name for one in visible for name in (one.id, one.name)}
    if unknown := [name for name in names if name not in known]:
        shown = ", ".join(one.name for one in visible) or "none"
        raise InvalidInput(f"The key sees no project {', '.join(unknown)}. It sees: {shown}.", "--workspace")
    chosen = [one for one in visible if not names or one.id in names or one.name in names]
    if alike := [one for one in chosen if sum(other.name == one.name for other in chosen) > 1]:
        which = ", ".join(f"{one.name} ({one.organizationIdentifier or 'no organisation'}): {one.id}" for one in alike)
        raise InvalidInput(
            f"Some projects have the same name and would become one here: {which}. Rename all but one in Split, or "
            "import one of them, by its id.",
            "--workspace",
        )
    return chosen


def _sdk_url(options: Options) -> str | None:
    if not options.keep_shares:
        return None
    if options.sdk_url is None and options.base_url.rstrip("/") != BASE_URL:
        raise SetupError("--keep-shares needs --sdk-url: the address that applications there get their flags from.")
    return options.sdk_url or SDK_URL


@contextmanager
def _response_cache(options: Options, out: Console) -> Iterator[ResponseCache]:
    """The cache, which is deleted if the block ends and kept if it raises."""
    account, finished = f"{options.base_url}\n{options.api_key}", False
    cache = ResponseCache(options.cache, account, fresh=options.fresh)
    if cache.count:
        out.print(f"Continuing with {cache.count:,} cached responses, in {options.cache}.", markup=False)
    try:
        yield cache
        finished = True
    finally:
        cache.close(delete=finished)


def _bar() -> Progress:
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


class _ProgressBar:
    """Shows the progress of one list at a time."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar

    def __call__(self, items: Iterable[_Item], what: str) -> Iterator[_Item]:
        listed = list(items)
        task = self._bar.add_task(what, total=len(listed))
        for one in listed:
            yield one
            self._bar.advance(task)
        self._bar.remove_task(task)
