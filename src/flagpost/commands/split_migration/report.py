"""The result of a migration: counts, and a line for everything that a person has to check."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec

from rich.console import Console
from rich.table import Table

from flagpost.actions.imports.split_account import Outcome
from flagpost.errors import Conflict, InvalidInput, NotAllowed, NotFound
from flagpost.formatting import counted

_P = ParamSpec("_P")
REFUSED = "refused"
_COLUMNS = (*Outcome, REFUSED)

NOT_MIGRATED = (
    "SDK keys and Admin API keys: their secrets cannot be read. Create new ones and give them to the applications.",
    "Archived flags: Split's API does not list them.",
    "Keys of large segments: Split's API does not show them. Upload them again.",
    "Roles of users: every invited user is an editor.",
    "Identities, change requests, the audit log, traffic and metrics.",
    "Connections with Jira issues: Split's API does not show them. `flagpost import` takes a list of them.",
)


@dataclass
class Report:
    """Filled while the migration runs. `without_seeds` counts new definitions with percentages but without seeds."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    missing_principals: Counter[str] = field(default_factory=Counter)
    without_seeds: int = 0

    def attempt(self, kind: str, name: str, run: Callable[_P, Outcome], /, *args: _P.args, **kwargs: _P.kwargs) -> bool:
        """Import one object and count the result. False if it was refused; the migration continues."""
        try:
            outcome = run(*args, **kwargs)
        except (Conflict, InvalidInput, NotAllowed, NotFound) as error:
            self.counts[kind, REFUSED] += 1
            self.warn(f"{kind} {name}: was refused. {error.message}")
            return False
        self.counts[kind, outcome] += 1
        if outcome is Outcome.KEPT:
            self.warn(f"{kind} {name}: a user changed it here, so it was left as it is.")
        return True

    def warn(self, line: str) -> None:
        """Report something that a person has to check, once."""
        if line not in self.warnings:
            self.warnings.append(line)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was imported and nothing has to be checked."""
        return not (self.counts or self.warnings)

    @property
    def refused(self) -> int:
        """How many objects were refused."""
        return sum(count for (_, outcome), count in self.counts.items() if outcome == REFUSED)

    def show(self, out: Console) -> None:
        """Print the report."""
        out.print(self._table())
        for title, lines in (("To check", self._all_warnings()), ("Never migrated", NOT_MIGRATED)):
            if lines:
                out.print(f"\n{title}:", style="bold", markup=False)
                for line in lines:
                    out.print(f"  - {line}", markup=False)

    def _table(self) -> Table:
        table = Table("", *(str(column) for column in _COLUMNS), box=None, pad_edge=False)
        for kind in dict.fromkeys(kind for kind, _ in self.counts):
            table.add_row(f"{kind}s", *(str(self.counts[kind, column] or "") for column in _COLUMNS))
        return table

    def _all_warnings(self) -> list[str]:
        lines = [
            f"{name}: does not exist here and was left out in {counted(count, 'place')}. --create-users creates it."
            for name, count in sorted(self.missing_principals.items())
        ]
        if self.without_seeds:
            lines.append(
                f"{counted(self.without_seeds, 'definition')} with percentages: keys are bucketed anew here, so a "
                "customer can get another treatment than in Split. --keep-shares keeps the treatments."
            )
        return [*self.warnings, *lines]
