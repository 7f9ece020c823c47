"""Principals (users and groups) of Split and of this installation: users match by email, groups by name."""

from collections.abc import Iterable

from flagpost.actions.accounts import users as local_users
from flagpost.actions.imports.split_account import Outcome
from flagpost.commands.split_migration.account import Named, Reference, SplitUser
from flagpost.commands.split_migration.migration import Migration

Principal = tuple[str, str]
"""A type ("user" or "group") and an id of this installation."""


class PrincipalMapping:
    """Finds the principal of this installation for one of Split. With `create`, a missing one is created on demand.

    A created user is invited as an editor, and an admin passes the link on from the page of users. A group is created
    with its members. `users` or `groups` is None if Split did not list them; then the mapping is not `complete`.
    """

    def __init__(
        self,
        migration: Migration,
        users: Iterable[SplitUser] | None,
        groups: Iterable[Named] | None,
        *,
        create: bool,
    ) -> None:
        self._ctx, self._actor = migration.ctx, migration.actor
        self._account, self._report = migration.account, migration.report
        self._create = create
        self.complete = users is not None and groups is not None
        self._source: dict[tuple[str, str], SplitUser | Named] = {("user", one.id): one for one in users or ()}
        self._source |= {("group", one.id): one for one in groups or ()}
        self._target: dict[tuple[str, str], Principal | None] = {
            ("user", one.email.lower()): ("user", one.id) for one in local_users.list_users(self._ctx, self._actor)
        }
        local_groups = local_users.list_groups(self._ctx, self._actor)
        self._target |= {("group", one.name.lower()): ("group", one.id) for one in local_groups}

    def resolve(self, references: Iterable[Reference]) -> list[Principal]:
        """The principals for these references, each once. The report counts missing ones. Keys are skipped."""
        found = []
        for one in references:
            kind = one.type or "user"
            principal = self._resolve(kind, one.id)
            if principal:
                found.append(principal)
            elif kind in ("user", "group"):
                self._report.missing_principals[self._name(kind, one.id)] += 1
        return list(dict.fromkeys(found))

    def _resolve(self, kind: str, id: str) -> Principal | None:
        name = (kind, self._name(kind, id).lower())
        if name not in self._target:
            source = self._source.get((kind, id))
            self._target[name] = self._create_principal(source) if source and self._create else None
        return self._target[name]

    def _name(self, kind: str, id: str) -> str:
        source = self._source.get((kind, id))
        if source is None:
            return f"{kind} {id}"
        return source.email if isinstance(source, SplitUser) else source.name

    def _create_principal(self, source: SplitUser | Named) -> Principal | None:
        created: list[Principal] = []
        if isinstance(source, SplitUser):
            if source.is_active:
                self._report.attempt("user", source.email, self._invite, source, created)
        else:
            self._report.attempt("group", source.name, self._create_group, source, created)
        return created[0] if created else None

    def _invite(self, source: SplitUser, created: list[Principal]) -> Outcome:
        name = source.name or source.email.partition("@")[0]
        invitation = local_users.invite_user(self._ctx, self._actor, email=source.email, name=name, role="editor")
        created.append(("user", invitation.user.id))
        return Outcome.CREATED

    def _create_group(self, source: Named, created: list[Principal]) -> Outcome:
        members = self.resolve(Reference(id=one.id, type="user") for one in self._account.members(source.id))
        ids = [id for _, id in members]
        group = local_users.create_group(self._ctx, self._actor, source.name, members=ids)
        created.append(("group", group.id))
        return Outcome.CREATED
