"""What Jira holds is compared with what was sent; what differs is sent again, and nothing is reported that does not."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import structlog

from flagpost.actions.flags import definitions, flags
from flagpost.actions.jira import integration, reconciliation, resync, status
from flagpost.errors import Conflict
from flagpost.jira.flags_api import FlagsApi
from flagpost.jira.token_bucket import TokenBucket
from flagpost.store.db import Database
from flagpost.store.jira import outbox, reconciliations
from flagpost.telemetry.logging import as_request
from jira_sandbox.embedded import Sandbox
from tests.jira.quiet_site import Site, connected

pytestmark = pytest.mark.slow


@pytest.fixture
def site(database: Database, sandbox: Sandbox) -> Iterator[Site]:
    found = connected(database, sandbox)
    yield found
    found.ctx.jira.close()


@pytest.fixture
def nightly(sqlite_database: Database, sandbox: Sandbox) -> Iterator[Site]:
    found = connected(sqlite_database, sandbox, hour=3)
    yield found
    found.ctx.jira.close()


def test_what_jira_shows_as_it_was_sent_is_no_finding(site: Site) -> None:
    for number in range(3):
        site.new_flag(f"flag{number}", f"PAY-{number + 1}")
    site.deliver()
    check, found = site.check()
    assert (check.outcome, check.read, check.found, check.total, found) == ("done", 3, 3, 3, [])


def test_a_flag_that_jira_lost_is_found_and_sent_again(site: Site) -> None:
    lost, _ = site.new_flag("lost"), site.new_flag("kept")
    site.deliver()
    site.sandbox.lose_flag(lost)
    assert site.found() == [("lost", "missing", True)]
    site.deliver()
    assert lost in site.sandbox.flags()
    assert site.found() == []


@pytest.mark.parametrize(
    ("spoilt", "kind", "words"),
    [
        ({"displayName": "other"}, "other", "Its name is “other” instead of “pay”."),
        ({"updateSequenceId": 1}, "older", "Jira holds the older version 1"),
        ({"updateSequenceId": 9_000_000_000_000_000}, "newer", "Jira holds the newer version 9000000000000000"),
        ({"associations": [{"associationType": "issueIdOrKeys", "values": ["99999"]}]}, "other", "also on 99999"),
        (
            {"summary": {"status": {"enabled": False, "rollout": {"text": "Killed"}}}},
            "other",
            "It is shown as off, “Killed” instead of on, 100 %, default “off”.",
        ),
    ],
    ids=["name", "older", "newer", "issues", "state"],
)
def test_what_jira_shows_otherwise_is_found_and_mended(
    site: Site, spoilt: dict[str, Any], kind: str, words: str
) -> None:
    pay = site.new_flag("pay")
    site.deliver()
    sent = site.sandbox.flags()[pay]
    site.sandbox.spoil_flag(pay, **spoilt)
    _, found = site.check()
    assert [(one.kind, one.repaired) for one in found] == [(kind, True)]
    assert words in found[0].message
    site.deliver()
    now = site.sandbox.flags()[pay]
    assert now["updateSequenceId"] > max(sent["updateSequenceId"], spoilt.get("updateSequenceId", 0))
    assert {**now, "updateSequenceId": 0} == {**sent, "updateSequenceId": 0}
    assert site.found() == []


def test_a_flag_that_is_still_there_after_its_delete_is_deleted_again(site: Site) -> None:
    pay = site.new_flag("pay")
    site.deliver()
    kept = site.sandbox.flags()[pay]
    site.sandbox.settings(delete_delay_ms=3_600_000)
    site.disconnect("pay")
    site.deliver()
    site.sandbox.settings(delete_delay_ms=0)
    assert site.sandbox.flags()[pay]["id"] == kept["id"]
    site.reconciler.run()
    assert [(one.kind, one.differed, one.repaired) for one in site.checks()] == [("later", 1, 1)]
    site.deliver()
    assert site.sandbox.flags() == {}
    assert site.found() == []


def test_a_flag_that_was_seen_to_be_gone_is_not_looked_for_again(site: Site) -> None:
    kept = site.new_flag("kept")
    site.new_flag("gone")
    site.deliver()
    site.disconnect("gone")
    site.deliver()
    site.clock.forward(seconds=1000)
    reads = site.reads()
    site.check()  # the deleted flag is read as well, once
    assert site.reads() == reads + 2
    site.check()
    assert site.reads() == reads + 3
    assert list(site.sandbox.flags()) == [kept]


def test_a_flag_with_a_change_that_jira_has_yet_to_hear_of_is_left_out(site: Site) -> None:
    pay = site.new_flag("pay")
    site.deliver()
    site.sandbox.lose_flag(pay)
    definitions.kill(site.ctx, site.actor, "Shop", "pay", "Production")
    before = site.entry(pay).latest_version
    check, found = site.check()
    assert (check.skipped, check.read, found) == (1, 0, [])
    assert site.entry(pay).latest_version == before


def test_a_change_that_comes_while_the_flag_is_read_is_no_finding(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    pay = site.new_flag("pay")
    site.new_flag("kept")
    site.deliver()
    site.sandbox.lose_flag(pay)
    real = FlagsApi.get

    def changed_meanwhile(api: FlagsApi, flag_id: str) -> Any:
        response = real(api, flag_id)
        if flag_id == pay:
            definitions.kill(site.ctx, site.actor, "Shop", "pay", "Production")
        return response

    monkeypatch.setattr(FlagsApi, "get", changed_meanwhile)
    check, found = site.check()
    assert (check.skipped, check.differed, found) == (1, 0, [])


def test_what_was_sent_moments_ago_and_differs_is_compared_again_a_minute_later(site: Site) -> None:
    other, pay = site.new_flag("other"), site.new_flag("pay")
    site.deliver(settle=False)
    site.sandbox.lose_flag(pay)
    check, found = site.check()
    assert (check.postponed, check.differed, found) == (1, 0, [])
    site.clock.forward(seconds=61)
    site.reconciler.run()
    assert [(one.kind, one.differed, one.repaired) for one in site.checks()][:1] == [("later", 1, 1)]
    site.deliver()
    assert set(site.sandbox.flags()) == {other, pay}


def test_a_delete_that_jira_does_late_takes_a_flag_that_was_sent_again_and_that_is_mended(site: Site) -> None:
    kept, pay = site.new_flag("kept"), site.new_flag("pay")
    site.deliver()
    assert site.check()[0].found == 2
    site.sandbox.settings(delete_delay_ms=3_600_000)
    site.disconnect("pay")
    site.deliver(settle=False)
    site.connect("pay")
    site.deliver(settle=False)
    assert pay in site.sandbox.flags()
    site.sandbox.finish_deletes()
    site.sandbox.settings(delete_delay_ms=0)
    site.reconciler.run()
    assert pay not in site.sandbox.flags()
    site.clock.forward(seconds=61)
    site.reconciler.run()
    site.deliver()
    assert set(site.sandbox.flags()) == {kept, pay}
    assert [one.kind for one in site.checks()] == ["later", "asked"]


def test_a_delete_that_overtakes_an_update_is_done_again(site: Site) -> None:
    """The update got lost on its way; Jira stores it after the flag was disconnected and deleted."""
    pay = site.new_flag("pay")
    site.deliver()
    site.sandbox.faults(drop_connections=1)
    definitions.kill(site.ctx, site.actor, "Shop", "pay", "Production")
    site.deliver(settle=False)
    lost = site.sandbox.requests("/bulk")[-1]
    site.clock.forward(seconds=5)
    site.disconnect("pay")
    site.deliver(settle=False)
    assert site.sandbox.flags() == {}
    proof = {"Authorization": f"Bearer {site.sandbox.get('/tokens')[-1]}"}
    assert httpx2.post(site.sandbox.url + lost["path"], json=lost["body"], headers=proof, trust_env=False).is_success
    assert pay in site.sandbox.flags()
    site.clock.forward(seconds=90)
    site.reconciler.run()
    site.deliver(settle=False)
    assert site.sandbox.flags() == {}
    assert site.checks()[0].kind == "later"


def test_what_was_sent_after_a_delete_is_read_ever_less_often_and_then_no_more(site: Site) -> None:
    site.new_flag("kept")
    pay = site.new_flag("pay")
    site.deliver()
    site.disconnect("pay")
    site.deliver(settle=False)
    site.connect("pay")
    site.deliver(settle=False)
    before = site.reads()
    for _ in range(60):
        site.clock.forward(seconds=30)
        site.reconciler.run()
    assert 3 <= site.reads() - before <= 6
    assert site.entry(pay).compare_at is None


def test_one_flag_is_checked_on_its_own(site: Site) -> None:
    pay, other = site.new_flag("pay"), site.new_flag("other")
    site.deliver()
    site.check()
    site.sandbox.lose_flag(pay)
    site.sandbox.lose_flag(other)
    assert site.found("pay") == [("pay", "missing", True)]
    assert site.entry(other).latest_version == site.entry(other).delivered_version


def test_a_difference_that_stays_is_not_sent_again_every_night(site: Site) -> None:
    pay = site.new_flag("pay")
    site.deliver()
    repaired = []
    for _ in range(4):
        site.sandbox.spoil_flag(pay, displayName="in Jira's own way")
        _, (finding,) = site.check()
        repaired.append(finding.repaired)
        site.deliver()
        site.clock.forward(days=1)
    assert repaired == [True, True, False, False]
    assert "left as it is" in finding.message


def test_a_read_that_is_refused_is_said_plainly_and_ends_the_check(site: Site) -> None:
    site.new_flag("one")
    site.new_flag("two")
    site.deliver()
    site.sandbox.settings(oauth_refuses=["get"], oauth_refusal_status=403)
    before = site.reads()
    check, found = site.check()
    assert (check.outcome, found) == ("unreadable", [])
    assert "does not let flags be read (403)" in check.message
    assert site.reads() - before == 1
    with site.ctx.db.read() as tx:
        assert outbox.count_pending(tx, site.actor.account_id) == 0


def test_404_with_oauth_credentials_proves_nothing_until_jira_has_shown_a_flag(site: Site) -> None:
    pay = site.new_flag("pay")
    site.deliver()
    site.sandbox.settings(oauth_refuses=["get"], oauth_refusal_status=404)
    check, found = site.check()
    assert (check.outcome, found) == ("unreadable", [])
    assert "not documented" in check.message
    site.sandbox.settings(oauth_refuses=[])
    assert site.found() == []
    site.sandbox.lose_flag(pay)
    assert site.found() == [("pay", "missing", True)]


def test_jira_that_is_away_only_delays_a_check(site: Site) -> None:
    site.new_flag("pay")
    site.deliver()
    site.sandbox.faults(unavailable={"count": 3, "retry_after": 1}, prefix="/jira/featureflags/")
    check, found = site.check()
    assert (check.outcome, check.read, found) == ("done", 1, [])


def test_a_check_that_used_its_budget_is_gone_on_with_by_the_next_and_goes_round(site: Site) -> None:
    ids = sorted(site.new_flag(f"flag{number}", f"PAY-{number % 3 + 1}") for number in range(5))
    site.deliver()
    site.reconciler.budget = 2
    read = []
    for _ in range(3):
        before = site.reads()
        check, _ = site.check()
        assert check.outcome == "budget"
        read += [one["path"].rpartition("/")[2] for one in site.sandbox.requests("/flag/") if one["method"] == "GET"][
            before:
        ]
    assert read == [*ids, ids[0]]


def test_a_check_that_was_killed_is_gone_on_with_where_it_was(site: Site) -> None:
    for number in range(5):
        site.new_flag(f"flag{number}", f"PAY-{number % 3 + 1}")
    site.deliver()
    asked = reconciliation.request_reconciliation(site.ctx, site.actor).run
    site.reconciler.budget = 10
    first = replace(site.reconciler)
    first._reader.buckets[site_id(site)] = TokenBucket(2, 0.0001)
    first.run()
    assert reconciliation.get_reconciliation(site.ctx, site.actor, asked.id).run.read == 2
    other = replace(site.reconciler)
    other.run()
    other.run()
    assert reconciliation.get_reconciliation(site.ctx, site.actor, asked.id).run.outcome == "done"
    assert site.reads() == 5


def site_id(site: Site) -> str:
    state = status.get_integration(site.ctx, site.actor)
    assert state.site
    return state.site.id


def test_every_night_a_check_is_made_once_and_not_before_the_first_night(nightly: Site) -> None:
    nightly.new_flag("pay")
    nightly.deliver()
    nightly.reconciler.run()
    assert nightly.checks() == []
    for _ in range(3 * 24):
        nightly.clock.forward(seconds=3600)
        nightly.reconciler.run()
        nightly.reconciler.run()
    assert [(one.kind, one.outcome, one.read) for one in nightly.checks()] == [("nightly", "done", 1)] * 3


def test_a_nightly_repair_names_its_own_run_and_not_the_request_of_a_change_days_before(
    nightly: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_request("change-0001"):
        pay, _ = nightly.new_flag("pay"), nightly.new_flag("kept")
    nightly.deliver()
    nightly.clock.forward(days=3)
    nightly.sandbox.lose_flag(pay)
    with as_request("nightly-0002"):
        nightly.reconciler.run()
    assert [(one.differed, one.repaired) for one in nightly.checks()] == [(1, 1)]
    named: list[object] = []
    real = FlagsApi.bulk

    def bulk(api: FlagsApi, body: Any, written: Any) -> Any:
        named.append(structlog.contextvars.get_contextvars()["changes"])
        return real(api, body, written)

    monkeypatch.setattr(FlagsApi, "bulk", bulk)
    nightly.deliver()
    assert named == [["nightly-0002"]]


def test_many_checks_of_single_flags_do_not_bring_the_nightly_one_forward(nightly: Site) -> None:
    nightly.new_flag("pay")
    nightly.deliver()
    nightly.clock.forward(days=1)
    nightly.reconciler.run()
    with nightly.ctx.db.write() as tx:
        for number in range(reconciliations.KEPT + 5):
            made = reconciliations.request(
                tx, nightly.actor.account_id, reconciliations.FLAG, "pay", nightly.clock() + number, "Ada", "x"
            )
            reconciliations.finish(tx, made, reconciliations.DONE, "", nightly.clock())
        reconciliations.delete_older(tx, nightly.actor.account_id)
        kept = reconciliations.latest(tx, nightly.actor.account_id, 1000)
    assert [one.kind for one in kept] == [reconciliations.FLAG] * reconciliations.KEPT + [reconciliations.NIGHTLY]


def test_asking_twice_makes_one_check_and_asking_without_a_site_none(site: Site) -> None:
    first = reconciliation.request_reconciliation(site.ctx, site.actor).run
    assert reconciliation.request_reconciliation(site.ctx, site.actor).run.id == first.id
    flags.create_flag(site.ctx, site.actor, "Shop", name="alone", traffic_type="user")
    with pytest.raises(Conflict, match="never connected"):
        reconciliation.request_reconciliation(site.ctx, site.actor, "Shop", "alone")
    integration.remove_integration(site.ctx, site.actor)
    site.deliver()
    site.reconciler.run()
    with pytest.raises(Conflict, match="No Jira site"):
        reconciliation.request_reconciliation(site.ctx, site.actor)
    with pytest.raises(Conflict, match="No Jira site"):
        resync.start_resync(site.ctx, site.actor)
    assert reconciliation.get_reconciliation(site.ctx, site.actor, first.id).run.outcome == "gone"
