"""`flagpost import`: import a file, and print a line for each flag."""

from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from flagpost.actions.imports.flag_file import ImportOptions, Outcome, Report, import_flags, summary
from flagpost.app import operator_context
from flagpost.errors import InvalidInput
from flagpost.flags.import_file import FlagFile, read_flags
from flagpost.settings import Settings

MAX_FILE_BYTES = 50 * 1024 * 1024
_STYLES = {
    Outcome.CREATED: "green",
    Outcome.COMPLETED: "cyan",
    Outcome.UNCHANGED: "dim",
    Outcome.REFUSED: "red",
}


def run(settings: Settings, file: Path, project: str, traffic_type: str, *, create_owners: bool, dry_run: bool) -> int:
    """Import, with a progress bar and the report on standard output. Gives the number of refused lines."""
    out = Console(soft_wrap=True, highlight=False)
    found = read_file(file)
    if found.ignored_fields:
        out.print(f"Ignored, because Flagpost has no such field: {', '.join(found.ignored_fields)}", markup=False)
    bar = Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=Console(stderr=True), transient=True)
    with operator_context(settings) as (ctx, operator), bar:
        task = bar.add_task("Importing", total=len(found.lines))

        def done(report: Report) -> None:
            out.print(describe(report), style=_STYLES[report.outcome], markup=False)
            bar.advance(task)

        reports = import_flags(
            ctx,
            operator,
            project,
            found.lines,
            ImportOptions(traffic_type, create_owners, dry_run),
            done,
        )
    counts = summary(reports)
    what = ", ".join(f"{count} {name}" for name, count in counts.items() if name != "connections")
    would = "Nothing was changed. An import would give: " if dry_run else ""
    out.print(f"{would}{len(reports)} flags ({what}), {counts['connections']} new connections.", markup=False)
    return counts[Outcome.REFUSED]


def read_file(file: Path) -> FlagFile:
    """The flags of a file. InvalidInput if it cannot be read."""
    kind = file.suffix.lower()
    if kind not in (".csv", ".json"):
        raise InvalidInput(f"{file.name}: the name must end in .csv or .json.")
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInput(f"{file.name} is larger than {MAX_FILE_BYTES // 1024**2} MB. Split it.")
        return read_flags(file.read_text("utf-8"), is_json=kind == ".json")
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file.name} is not UTF-8 text (at byte {error.start}).") from None


def describe(report: Report) -> str:
    """A line of the report."""
    what = [f"connect {', '.join(report.connected)}"] if report.connected else []
    what += [f"set up in {', '.join(report.set_up)}"] if report.set_up else []
    what += [*report.remarks]
    what += [f"{problem.path}: {problem.message}" if problem.path else problem.message for problem in report.problems]
    head = f"{report.line.number:>5}  {report.outcome:<9}  {report.line.name or '(no name)'}"
    return f"{head}  {'; '.join(what)}" if what else head
