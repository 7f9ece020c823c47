"""Fill a database with connected flags, by the actions of the product."""

import sys

from flagpost.actions.flags import definitions, flags
from flagpost.actions.jira import issue_links
from flagpost.actions.lookup import get_visible_project
from flagpost.actions.unit_of_work import NO_SUMMARY, Change, transactional
from flagpost.app import operator_context
from flagpost.flags.model import Bucket, Definition, Treatment
from flagpost.settings import load
from flagpost.store.jira.issues import Issue

A_DAY = 86_400_000
ISSUES = [f"BIG-{number + 1}" for number in range(1000)]
"""So many that Jira's limit of writes to one issue does not decide the figures."""
DEFINITION = Definition((Treatment("on"), Treatment("off")), "off", (Bucket("on", 30), Bucket("off", 70)))


def fill(count: int) -> None:
    """Create the flags `flag00000` …, each with a definition in Production and one of the sandbox's issues."""
    with operator_context(load()) as (ctx, operator):
        now = ctx.clock()
        issues = [Issue("", None, key, "", "", "", "", "", "known", now, due_at=now + A_DAY) for key in ISSUES]
        for start in range(0, count, 1000):
            _fill_part(ctx, operator, issues, range(start, min(start + 1000, count)))


@transactional
def _fill_part(change: Change, issues: list[Issue], numbers: range) -> None:
    project = get_visible_project(change.tx, change.actor, "Default")
    for number in numbers:
        name = f"flag{number:05}"
        flag = flags.add_flag(change, project, name=name, traffic_type="user", tags=[f"tag{number % 20}"])
        place = definitions.lock_definition(change, project.id, flag.id, "Production")
        definitions.insert(change, place, definitions.Draft(DEFINITION), NO_SUMMARY)
        issue_links.add_connections(change, flag, [issues[number % len(issues)]])


if __name__ == "__main__":
    fill(int(sys.argv[1]))
