"""Who is who: Split's users by their email, its groups by their name."""

from collections.abc import Iterable

from flagpost.actions import people
from flagpost.actions.access import Actor
from flagpost.actions.carry_over import Outcome
from flagpost.actions.context import Context
from flagpost.from_split.account import Named, Person, Reference
from flagpost.from_split.report import Report

Owner = tuple[str, str]
"""A type (user or group) and an id, of here."""


class WhoIsWho:
    """Finds who somebody in Split is here. With `create`, whoever is nobody here is made once they are asked for.

    People who are made are invited as editors; somebody gives them their link from the page of users.
    """

    def __init__(
        self,
        ctx: Context,
        actor: Actor,
        report: Report,
        users: Iterable[Person],
        groups: Iterable[Named],
        *,
        create: bool,
    ) -> None:
        self._ctx, self._actor, self._report, self._create = ctx, actor, report, create
        self._there = {("user", one.id): one for one in users} | {("group", one.id): one for one in groups}
        self._here: dict[tuple[str, str], Owner] = {
            ("user", one.email.lower()): ("user", one.id) for one in people.list_users(ctx, actor)
        }
        self._here |= {("group", one.name.lower()): ("group", one.id) for one in people.list_groups(ctx, actor)}

    def find(self, references: Iterable[Reference]) -> list[Owner]:
        """Those of these users and groups who are somebody here; the others are made, or noted. Keys are nobody."""
        found = []
        for one in references:
            somebody = self._find(one) or self._made(one)
            if somebody:
                found.append(somebody)
            elif one.type in ("user", "group"):
                self._report.missing_people[self._name(one)] += 1
        return found

    def _find(self, reference: Reference) -> Owner | None:
        return self._here.get((reference.type, self._name(reference).lower()))

    def _name(self, reference: Reference) -> str:
        there = self._there.get((reference.type, reference.id))
        if there is None:
            return f"{reference.type} {reference.id}"
        return there.email if isinstance(there, Person) else there.name

    def _made(self, reference: Reference) -> Owner | None:
        there = self._there.get((reference.type, reference.id))
        if there is None or not self._create:
            return None
        if not self._report.attempt(reference.type, self._name(reference), self._make, there):
            return None
        return self._find(reference)

    def _make(self, there: Person | Named) -> Outcome:
        if isinstance(there, Person):
            name = there.name or there.email.partition("@")[0]
            made = people.invite_user(self._ctx, self._actor, email=there.email, name=name, role="editor").user
            self._here["user", there.email.lower()] = ("user", made.id)
        else:
            group = people.create_group(self._ctx, self._actor, there.name)
            self._here["group", there.name.lower()] = ("group", group.id)
        return Outcome.CREATED
