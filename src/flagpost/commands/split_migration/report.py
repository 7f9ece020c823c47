"""What became of everything that was to be moved: counts, and a line for each thing that somebody has to look at."""

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

NEVER_MOVED = (
    "SDK keys and Admin API keys: their secrets cannot be read. Make new ones, and give them to the applications.",
    "Archived flags: Split's API does not list them.",
    "Keys of large segments: Split's API does not show them. Upload them again.",
    "Roles of people: whoever is invited is an editor.",
    "Identities, change requests, the audit log, traffic and metrics.",
    "Connections with Jira issues: Split's API does not show them. `flagpost import` takes a list of them.",
)


@dataclass
class Report:
    """Filled as the move goes on. `without_seeds`: new definitions with shares whose seeds were not brought."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    to_look_at: list[str] = field(default_factory=list)
    missing_people: Counter[str] = field(default_factory=Counter)
    without_seeds: int = 0

    def attempt(
        self, kind: str, name: str, bring: Callable[_P, Outcome], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> bool:
        """Bring one thing over, and note what became of it. False where it was refused; the others go on."""
        try:
            outcome = bring(*args, **kwargs)
        except (Conflict, InvalidInput, NotAllowed, NotFound) as error:
            self.counts[kind, REFUSED] += 1
            self.look_at(f"{kind} {name}: was refused. {error.message}")
            return False
        self.counts[kind, outcome] += 1
        if outcome is Outcome.KEPT:
            self.look_at(f"{kind} {name}: somebody here made it other than it is in Split. It was left as it is.")
        return True

    def look_at(self, line: str) -> None:
        """Note something that somebody has to look at, once."""
        if line not in self.to_look_at:
            self.to_look_at.append(line)

    @property
    def has_something(self) -> bool:
        """Whether anything was brought, or is to be looked at."""
        return bool(self.counts or self.to_look_at)

    @property
    def refused(self) -> int:
        """How many things were refused."""
        return sum(count for (_, outcome), count in self.counts.items() if outcome == REFUSED)

    def show(self, out: Console) -> None:
        """Print it."""
        out.print(self._table())
        for title, lines in (("To look at", self._all_to_look_at()), ("Not moved, ever", NEVER_MOVED)):
            if lines:
                out.print(f"\n{title}:", style="bold", markup=False)
                for line in lines:
                    out.print(f"  - {line}", markup=False)

    def _table(self) -> Table:
        table = Table("", *(str(column) for column in _COLUMNS), box=None, pad_edge=False)
        for kind in dict.fromkeys(kind for kind, _ in self.counts):
            table.add_row(f"{kind}s", *(str(self.counts[kind, column] or "") for column in _COLUMNS))
        return table

    def _all_to_look_at(self) -> list[str]:
        lines = [
            f"{name}: is nobody here, and was left out of {counted(count, 'place')}. --create-people makes them."
            for name, count in sorted(self.missing_people.items())
        ]
        if self.without_seeds:
            lines.append(
                f"{counted(self.without_seeds, 'definition')} with percentages: keys are dealt out anew here, and "
                "people can get another treatment than in Split. --keep-shares keeps them in theirs."
            )
        return [*self.to_look_at, *lines]
