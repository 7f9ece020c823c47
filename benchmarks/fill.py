"""Fill a database with flags that are set up and connected, by the same actions that the product has."""

import sys

from flagpost.actions.flags import definitions, flags
from flagpost.actions.jira import issue_links
from flagpost.actions.lookup import get_visible_environment, get_visible_project
from flagpost.app import operator_context
from flagpost.flags.model import Bucket, Definition, Treatment
from flagpost.settings import load
from flagpost.store.jira.issues import Issue

A_DAY = 86_400_000
ISSUES = [f"BIG-{number + 1}" for number in range(1000)]
"""So many that Jira's limit of writes to one of them is not what is measured."""
DEFINITION = Definition((Treatment("on"), Treatment("off")), "off", (Bucket("on", 30), Bucket("off", 70)))


def fill(count: int) -> None:
    """Flags `flag00000` …, each set up in Production and connected with one of the sandbox's issues."""
    with operator_context(load()) as (ctx, operator):
        now = ctx.clock()
        issues = [Issue("", None, key, "", "", "", "", "", "known", now, due_at=now + A_DAY) for key in ISSUES]
        for start in range(0, count, 1000):
            with ctx.db.write() as tx:
                project = get_visible_project(tx, operator, "Default")
                place = get_visible_environment(tx, operator, project, "Production")
                for number in range(start, min(start + 1000, count)):
                    name, now = f"flag{number:05}", ctx.clock()
                    flag = flags.add_flag(
                        tx, operator, project, now, name=name, traffic_type="user", tags=[f"tag{number % 20}"]
                    )
                    definitions.add_definition(tx, operator, project, flag, place, DEFINITION, now)
                    issue_links.add_connections(tx, operator, flag, [issues[number % len(issues)]], now)


if __name__ == "__main__":
    fill(int(sys.argv[1]))
