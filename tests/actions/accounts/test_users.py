"""People, their sessions, and the links that work once."""

import argon2
import pytest

from flagpost.actions.access import Actor
from flagpost.actions.accounts import sessions, users
from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.context import Context
from flagpost.errors import Conflict, FlagpostError, InvalidInput, NotAllowed, NotFound, NotSignedIn, TooManyRequests
from tests.conftest import AccountFixture, Clock

PASSWORD = "correct horse battery"


def token_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.fixture
def ada(ctx: Context, account: AccountFixture) -> SignedIn:
    """The first admin, signed in."""
    link = sessions.first_admin_link(ctx)
    assert link
    session = sessions.create_first_admin(ctx, token_of(link), email="ada@example.com", name="Ada", password=PASSWORD)
    found = sessions.signed_in(ctx, session)
    assert found
    return found


def invited(ctx: Context, by: Actor, email: str = "eli@example.com", role: str = "editor") -> SignedIn:
    link = users.invite_user(ctx, by, email=email, name="Eli", role=role)
    session = sessions.accept_invitation(ctx, token_of(link.url), name="Eli", password=PASSWORD)
    found = sessions.signed_in(ctx, session)
    assert found
    return found


def test_the_first_admins_link_works_once(ctx: Context, account: AccountFixture) -> None:
    links = [sessions.first_admin_link(ctx) for _ in range(2)]
    assert all(links)
    form = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}
    with pytest.raises(NotFound):  # every start prints a new one, and only the newest works
        sessions.create_first_admin(ctx, token_of(str(links[0])), **form)
    sessions.create_first_admin(ctx, token_of(str(links[1])), **form)
    for link in links:
        with pytest.raises(NotFound):
            sessions.create_first_admin(ctx, token_of(str(link)), **form)
    assert sessions.first_admin_link(ctx) is None


def test_a_bad_first_admin_is_refused_with_every_problem_and_the_link_still_works(
    ctx: Context, account: AccountFixture
) -> None:
    link = token_of(str(sessions.first_admin_link(ctx)))
    with pytest.raises(InvalidInput) as caught:
        sessions.create_first_admin(ctx, link, email="ada", name=" ", password="short")
    assert [problem.path for problem in caught.value.problems] == ["email", "name", "password"]
    assert sessions.create_first_admin(ctx, link, email="ada@example.com", name="Ada", password=PASSWORD)


def test_an_invitation_expires(ctx: Context, ada: SignedIn, clock: Clock) -> None:
    link = users.invite_user(ctx, ada.actor, email="eli@example.com", name="Eli", role="viewer")
    clock.forward(days=8)
    with pytest.raises(NotFound):
        sessions.accept_invitation(ctx, token_of(link.url), name="Eli", password=PASSWORD)


def test_signing_in_and_out(ctx: Context, ada: SignedIn) -> None:
    session = sessions.sign_in(ctx, "ADA@example.com ", PASSWORD)
    who = sessions.signed_in(ctx, session)
    assert who
    assert who.user.name == "Ada"
    assert len(sessions.list_sessions(ctx, who)) == 2
    sessions.sign_out(ctx, who)
    assert sessions.signed_in(ctx, session) is None
    for wrong in ("", "x" * 300, session[:-1]):
        assert sessions.signed_in(ctx, wrong) is None


@pytest.mark.parametrize(("email", "password"), [("ada@example.com", "wrong"), ("nobody@example.com", PASSWORD)])
def test_wrong_email_and_wrong_password_are_answered_alike(
    ctx: Context, ada: SignedIn, email: str, password: str
) -> None:
    with pytest.raises(NotSignedIn, match="do not fit together"):
        sessions.sign_in(ctx, email, password)


def test_guessing_is_slowed_down_and_ends(ctx: Context, ada: SignedIn, clock: Clock) -> None:
    for _ in range(10):
        with pytest.raises(NotSignedIn):
            sessions.sign_in(ctx, "ada@example.com", "guess", address="10.0.0.1")
    with pytest.raises(TooManyRequests):
        sessions.sign_in(ctx, "ada@example.com", PASSWORD, address="10.0.0.2")
    clock.forward(seconds=11 * 60)
    assert sessions.sign_in(ctx, "ada@example.com", PASSWORD, address="10.0.0.1")


def test_a_session_ends_after_days_without_a_visit_and_is_prolonged_by_each(
    ctx: Context, ada: SignedIn, clock: Clock
) -> None:
    session = sessions.sign_in(ctx, "ada@example.com", PASSWORD)
    for _ in range(4):
        clock.forward(days=10)
        assert sessions.signed_in(ctx, session)
    clock.forward(days=15)
    assert sessions.signed_in(ctx, session) is None


def test_a_changed_password_ends_every_other_session(ctx: Context, ada: SignedIn) -> None:
    other = sessions.sign_in(ctx, "ada@example.com", PASSWORD)
    with pytest.raises(InvalidInput):
        sessions.change_password(ctx, ada, "wrong", "another good one")
    sessions.change_password(ctx, ada, PASSWORD, "another good one")
    assert sessions.signed_in(ctx, other) is None
    assert sessions.sign_in(ctx, "ada@example.com", "another good one")


def test_a_deactivated_person_is_out_at_once(ctx: Context, ada: SignedIn) -> None:
    eli = invited(ctx, ada.actor)
    session = sessions.sign_in(ctx, "eli@example.com", PASSWORD)
    users.update_user(ctx, ada.actor, eli.user.id, active=False)
    assert sessions.signed_in(ctx, session) is None
    with pytest.raises(NotSignedIn):
        sessions.sign_in(ctx, "eli@example.com", PASSWORD)
    users.update_user(ctx, ada.actor, eli.user.id, active=True)
    assert sessions.sign_in(ctx, "eli@example.com", PASSWORD)


def test_an_account_keeps_an_active_admin(ctx: Context, ada: SignedIn) -> None:
    with pytest.raises(Conflict, match="needs an active admin"):
        users.update_user(ctx, ada.actor, ada.user.id, role="viewer")
    with pytest.raises(Conflict):
        users.update_user(ctx, ada.actor, ada.user.id, active=False)
    found = sessions.sign_in(ctx, "ada@example.com", PASSWORD)
    assert sessions.signed_in(ctx, found)


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_only_admins_manage_people(ctx: Context, ada: SignedIn, role: str) -> None:
    eli = invited(ctx, ada.actor, role=role).actor
    acts = (
        lambda: users.list_users(ctx, eli),
        lambda: users.invite_user(ctx, eli, email="x@example.com", name="X", role="admin"),
        lambda: users.update_user(ctx, eli, eli.id, role="admin"),
        lambda: users.new_password_link(ctx, eli, ada.user.id),
        lambda: users.create_group(ctx, eli, "Gang"),
    )
    for act in acts:
        with pytest.raises(NotAllowed):
            act()


def test_groups(ctx: Context, ada: SignedIn) -> None:
    eli = invited(ctx, ada.actor)
    group = users.create_group(ctx, ada.actor, "Team", members=[eli.user.id])
    assert group.members == 1
    with pytest.raises(Conflict):
        users.create_group(ctx, ada.actor, "Team")
    with pytest.raises(FlagpostError):
        users.set_members(ctx, ada.actor, group.id, ["nobody"])
    assert users.get_group(ctx, ada.actor, "Team")[1] == [eli.user.id]
    users.delete_group(ctx, ada.actor, "Team")
    assert users.list_groups(ctx, ada.actor) == []


def test_nobody_is_invited_twice(ctx: Context, ada: SignedIn) -> None:
    invited(ctx, ada.actor)
    with pytest.raises(FlagpostError):
        users.invite_user(ctx, ada.actor, email="ELI@example.com", name="Eli", role="viewer")


def test_passwords_cost_what_the_library_recommends(cheap_passwords: argon2.PasswordHasher) -> None:
    assert cheap_passwords.hash("x").startswith("$argon2id$v=19$m=65536,t=3,p=4$")
