"""Jira's panel on an issue: the flags that are connected with it, and what a viewer may do with them from there.

Which issue, which site and who it is come from the invocation token, and from nowhere else. The panel shows no more
than the integration lets Jira see: the flags of its projects that its token can view. Of those, a project with view
permissions is only for people who are linked with a user that has the permission. What a linked person does is done by
the same actions as in the console, with that user's rights.
"""

from dataclasses import dataclass

from flagpost.actions.access import Right
from flagpost.actions.context import Context
from flagpost.actions.flags.flags import FoundFlag, find_flags
from flagpost.actions.jira import account_links, issue_links
from flagpost.actions.jira.account_links import Visitor
from flagpost.actions.lookup import visible_projects
from flagpost.errors import Conflict, InvalidInput, NotAllowed, NotFound
from flagpost.jira.invocation_token import Invocation, InvokedIssue
from flagpost.store.db import Transaction
from flagpost.store.jira import integrations, issue_panel
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.issue_panel import FlagOnIssue
from flagpost.store.jira.issues import Issue
from flagpost.store.projects import projects

MOST_FOUND = 20


@dataclass(frozen=True, slots=True)
class Panel:
    """What the panel shows; nothing of any account while the site is `connected` to none.

    `user`: whom the person is linked with, by name. `primary`: the environments that Jira's own field shows (ids).
    `hidden`: how many flags Jira's own field shows that this person may not see here.
    """

    issue: InvokedIssue
    connected: bool = False
    user: str | None = None
    may_edit: bool = False
    primary: frozenset[str] = frozenset()
    flags: tuple[FlagOnIssue, ...] = ()
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class _Visit:
    """A viewer looks at an issue of a connected site.

    `primary`: the primary environments of the projects that Jira may show, by project (ids); `seen`: those of these
    projects that they may see.
    """

    site: Site
    issue: InvokedIssue
    person: str
    visitor: Visitor
    primary: dict[str, str]
    seen: frozenset[str]

    def flags(self, tx: Transaction) -> list[FlagOnIssue]:
        """The flags on the issue, also those that they do not see."""
        return issue_panel.flags_on_issue(tx, self.site.account_id, self.issue.id, self.issue.key, list(self.primary))


def show(ctx: Context, invocation: Invocation) -> Panel:
    """The panel as it is now."""
    with ctx.db.read() as tx:
        visit = _visit(tx, invocation)
        if visit is None:
            return Panel(_issue_and_person(invocation)[0])
        there = visit.flags(tx)
    seen = tuple(flag for flag in there if flag.project_id in visit.seen)
    user, actor = visit.visitor.user, visit.visitor.actor
    return Panel(
        issue=visit.issue,
        connected=True,
        user=user.name if user else None,
        may_edit=actor.may(Right.EDIT_FLAGS),
        primary=frozenset(visit.primary.values()),
        flags=seen,
        hidden=len(there) - len(seen),
    )


def search(ctx: Context, invocation: Invocation, text: str) -> tuple[list[FoundFlag], bool]:
    """Flags that could be connected, by part of the name, and whether there are more than these."""
    with ctx.db.read() as tx:
        visit = _linked(_connected(tx, invocation))
        there = {flag.id for flag in visit.flags(tx)}
    most = MOST_FOUND + len(there) + 1
    found = find_flags(ctx, visit.visitor.actor, text, project_ids=list(visit.seen), limit=most)
    free = [flag for flag in found if flag.id not in there]
    return free[:MOST_FOUND], len(free) > MOST_FOUND


def connect(ctx: Context, invocation: Invocation, flag: str) -> Panel:
    """Connect a flag (id) with the issue.

    Jira is not asked for the issue: the invocation token proves that it exists. The refresher looks up the rest.
    """
    with ctx.db.read() as tx:
        visit = _linked(_connected(tx, invocation))
        project = issue_panel.project_of_flag(tx, flag, visit.seen)
    if project is None:
        raise NotFound("Could not find the feature flag.")
    issue = Issue("", visit.issue.id, visit.issue.key, "", "", "", "", "", "unchecked", None)
    issue_links.connect_checked(ctx, visit.visitor.actor, project, flag, [issue])
    return show(ctx, invocation)


def disconnect(ctx: Context, invocation: Invocation, flag: str) -> Panel:
    """Take a flag (id) off the issue."""
    with ctx.db.read() as tx:
        visit = _linked(_connected(tx, invocation))
        there = {one.id: one for one in visit.flags(tx) if one.project_id in visit.seen}
    if flag not in there:
        raise NotFound(f"That feature flag is not connected with {visit.issue.key}.")
    one = there[flag]
    issue_links.disconnect_issue(ctx, visit.visitor.actor, one.project_id, one.id, one.issue)
    return show(ctx, invocation)


def link(ctx: Context, invocation: Invocation, code: str) -> Panel:
    """Be the user of Flagpost whose code this is."""
    with ctx.db.read() as tx:
        visit = _connected(tx, invocation)
    account_links.link(ctx, visit.site, visit.person, code)
    return show(ctx, invocation)


def unlink(ctx: Context, invocation: Invocation) -> Panel:
    """End the link of the viewer's Atlassian account with a user of Flagpost."""
    with ctx.db.read() as tx:
        visit = _connected(tx, invocation)
    account_links.unlink(ctx, visit.site, visit.person)
    return show(ctx, invocation)


def _visit(tx: Transaction, invocation: Invocation) -> _Visit | None:
    """Who looks at what; None where the installation that calls is not of a connected site."""
    issue, person = _issue_and_person(invocation)
    site = _site(tx, invocation)
    if site is None:
        return None
    visitor = account_links.visitor(tx, site.account_id, person)
    chosen = [one for one in integrations.chosen_projects(tx, site.account_id) if one.visible]
    primary = {one.project.id: one.environment.id for one in chosen}
    seen = projects.list_by_id(tx, visible_projects(visitor.actor), list(primary))
    return _Visit(site, issue, person, visitor, primary, frozenset(project.id for project in seen))


def _site(tx: Transaction, invocation: Invocation) -> Site | None:
    site = integrations.site_of_installation(tx, invocation.installation_id)
    if site is None or site.disconnected_at or site.cloud_id != invocation.cloud_id:
        return None
    return site if integrations.find(tx, site.account_id) else None  # without, it is only there to be left


def _issue_and_person(invocation: Invocation) -> tuple[InvokedIssue, str]:
    if invocation.issue is None or invocation.account_id is None:
        raise InvalidInput(
            "Only the panel on an issue may call this: the token names no issue, or no Atlassian account."
        )
    return invocation.issue, invocation.account_id


def _connected(tx: Transaction, invocation: Invocation) -> _Visit:
    visit = _visit(tx, invocation)
    if visit is None:
        raise Conflict("This Jira site is not connected to Flagpost.")
    return visit


def _linked(visit: _Visit) -> _Visit:
    if visit.visitor.user is None:
        raise NotAllowed("Link your Flagpost account first.")
    return visit
