"""Who is who: Split's users by their email, its groups by their name."""

from collections.abc import Iterable

from flagpost.actions.accounts import users as people
from flagpost.actions.imports.split_account import Outcome
from flagpost.commands.split_migration.account import Named, Person, Reference
from flagpost.commands.split_migration.move import Move

Somebody = tuple[str, str]
"""A type (user or group) and an id, of here."""


class WhoIsWho:
    """Finds who somebody in Split is here. With `create`, whoever is nobody here is made once they are asked for.

    People who are made are invited as editors; somebody gives them their link from the page of users. Groups are made
    with their members. None for `users` or `groups`: they could not be read, so nobody can be told.
    """

    def __init__(
        self,
        move: Move,
        users: Iterable[Person] | None,
        groups: Iterable[Named] | None,
        *,
        create: bool,
    ) -> None:
        self._ctx, self._actor, self._account, self._report = move.ctx, move.actor, move.account, move.report
        self._create = create
        self.is_known = users is not None and groups is not None
        self._there: dict[tuple[str, str], Person | Named] = {("user", one.id): one for one in users or ()}
        self._there |= {("group", one.id): one for one in groups or ()}
        self._here: dict[tuple[str, str], Somebody | None] = {
            ("user", one.email.lower()): ("user", one.id) for one in people.list_users(self._ctx, self._actor)
        }
        groups_here = people.list_groups(self._ctx, self._actor)
        self._here |= {("group", one.name.lower()): ("group", one.id) for one in groups_here}

    def find(self, references: Iterable[Reference]) -> list[Somebody]:
        """Those of these users and groups who are somebody here; the others are made, or noted. Keys are nobody."""
        found = []
        for one in references:
            kind = one.type or "user"
            somebody = self._find(kind, one.id)
            if somebody:
                found.append(somebody)
            elif kind in ("user", "group"):
                self._report.missing_people[self._name(kind, one.id)] += 1
        return list(dict.fromkeys(found))

    def _find(self, kind: str, id: str) -> Somebody | None:
        name = (kind, self._name(kind, id).lower())
        if name not in self._here:
            there = self._there.get((kind, id))
            self._here[name] = self._made(there) if there and self._create else None
        return self._here[name]

    def _name(self, kind: str, id: str) -> str:
        there = self._there.get((kind, id))
        if there is None:
            return f"{kind} {id}"
        return there.email if isinstance(there, Person) else there.name

    def _made(self, there: Person | Named) -> Somebody | None:
        made: list[Somebody] = []
        if isinstance(there, Person):
            if there.works:
                self._report.attempt("user", there.email, self._invite, there, made)
        else:
            self._report.attempt("group", there.name, self._make_group, there, made)
        return made[0] if made else None

    def _invite(self, there: Person, made: list[Somebody]) -> Outcome:
        name = there.name or there.email.partition("@")[0]
        new = people.invite_user(self._ctx, self._actor, email=there.email, name=name, role="editor")
        made.append(("user", new.user.id))
        return Outcome.CREATED

    def _make_group(self, there: Named, made: list[Somebody]) -> Outcome:
        members = self.find(Reference(id=one.id, type="user") for one in self._account.members(there.id))
        group = people.create_group(self._ctx, self._actor, there.name, members=[id for _, id in members])
        made.append(("group", group.id))
        return Outcome.CREATED
