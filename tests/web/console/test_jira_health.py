"""The health page, the log and the buttons that send again and read back: what each state shows."""

import pytest
import sqlalchemy as sa

from flagpost.actions.context import Context
from flagpost.store.jira.delivery_log import HOUR_MS
from flagpost.store.schema import jira as t
from jira_sandbox.embedded import Sandbox
from tests.end_to_end.world import until
from tests.web.conftest import Console
from tests.web.console.test_jira_credentials import enter, set_up
from tests.web.console.test_pages import initiate, new_flag

pytestmark = pytest.mark.slow

HEALTH, LOG = "/admin/integrations/health", "/admin/integrations/log"


@pytest.fixture
def atlassian_url(sandbox: Sandbox) -> str:
    return sandbox.url


@pytest.fixture
def flag(console: Console, sandbox: Sandbox) -> str:
    """The address of a flag that Jira knows."""
    set_up(console)
    assert enter(console, sandbox)[0] == 303
    url = new_flag(console)
    initiate(console, url)
    assert console.admin.post(f"{url}/issues", data={"issues": "PAY-1"}).status_code == 303
    until(sandbox.flags, "Jira knows the flag")
    until(lambda: "Everything is delivered" in console.admin.get(HEALTH).text, "the answer is noted")
    return url


def world(console: Console) -> tuple[Context, str]:
    return console.ctx, console.ada.account_id


def set_site(console: Console, **values: object) -> None:
    with world(console)[0].db.write() as tx:
        tx.execute(sa.update(t.jira_sites).values(**values))


def test_without_a_site_the_page_says_so_and_where_to_begin(console: Console) -> None:
    page = console.admin.get(HEALTH).text
    assert "No Jira site is connected" in page
    assert "<svg" not in page.partition('id="content"')[2]
    assert "Nothing was sent yet" in console.admin.get(LOG).text


def test_the_pages_are_for_those_who_manage_integrations(console: Console) -> None:
    for page in (HEALTH, LOG):
        assert console.viewer.get(page).status_code == 403
    assert console.viewer.post(HEALTH, data={"act": "compare"}).status_code == 403


def test_deliveries_are_drawn_and_listed(console: Console, flag: str) -> None:
    page = console.admin.get(HEALTH).text
    assert page.count('<svg class="chart') == 2
    assert "Show as a table" in page
    assert "1 accepted" in page
    for period in ("week", "month", "nonsense"):
        assert "1 accepted" in console.admin.get(f"{HEALTH}?period={period}").text
    log = console.admin.get(LOG).text
    assert "new_checkout" in log
    assert "Accepted" in log


def test_a_day_in_which_nothing_was_told_says_so(console: Console, flag: str) -> None:
    ctx, _ = world(console)
    with ctx.db.write() as tx:
        tx.execute(sa.update(t.delivery_hours).values(hour=t.delivery_hours.c.hour - 48 * HOUR_MS))
    assert "Flagpost sent Jira no flag in this day" in console.admin.get(HEALTH).text
    assert "1 accepted" in console.admin.get(f"{HEALTH}?period=week").text


def test_a_site_that_was_stopped_says_why(console: Console, flag: str) -> None:
    set_site(console, suspended_reason="Enter new credentials.")
    page = console.admin.get(HEALTH).text
    assert ">Stopped<" in page
    assert "Enter new credentials." in page


def test_very_many_that_wait_or_were_refused_are_counted_and_the_first_are_shown(console: Console, flag: str) -> None:
    ctx, account = world(console)
    set_site(console, paused_until=ctx.clock() + 3_600_000)
    home = flag.split("/")[2]
    common = {"account_id": account, "project_id": home, "may_exist_remotely": True, "delivered_at": ctx.clock()}
    rows = [
        {
            **common,
            "flag_id": f"f{n:05}",
            "flag_name": f"flag_{n}",
            "latest_version": 9,
            "pending_since": ctx.clock() - n * 1000,
        }
        | (
            {"delivered_version": 9, "refusal": "Jira knows none of its issues: PAY-9."}
            if n % 2
            else {"delivered_version": 1, "refusal": None}
        )
        for n in range(3000)
    ]
    with ctx.db.write() as tx:
        tx.execute(sa.insert(t.outbox_entries), rows)
    page = console.admin.get(HEALTH).text
    assert "Paused, as Jira asked" in page
    assert "1500 flags, the first since" in page
    assert "And 1490 more." in page
    assert "And 1450 that are not listed here" in page
    assert "Were the issues deleted" in page


def test_the_buttons_read_back_send_again_and_cancel(console: Console, flag: str, sandbox: Sandbox) -> None:
    assert console.admin.post(HEALTH, data={"act": "compare"}).status_code == 303
    until(lambda: ">Done<" in console.admin.get(HEALTH).text, "it was read back")
    project, flag_id = flag.split("/")[2], flag.split("/")[4]
    back = console.admin.post(HEALTH, data={"act": "resync", "project": project, "back": "configured"})
    assert back.headers["location"] == "/admin/integrations?tab=configured"
    until(lambda: len(sandbox.history(flag_id)) == 2, "it was sent again")
    until(lambda: "finished: 1 of 1" in console.admin.get("/admin/integrations?tab=configured").text, "it is over")
    set_site(console, paused_until=world(console)[0].clock() + 3_600_000)
    console.admin.post(HEALTH, data={"act": "resync", "project": project})
    page = console.admin.get(HEALTH).text
    assert "0 of 1 flags" in page
    running = page.split('name="resync" value="')[1].split('"')[0]
    assert console.admin.post(HEALTH, data={"act": "cancel", "resync": running}).status_code == 303
    assert ">Cancelled<" in console.admin.get(HEALTH).text
    assert console.admin.post(HEALTH, data={"act": "cancel", "resync": running}).status_code == 409


def test_a_flags_page_has_its_own_log_and_buttons(console: Console, flag: str, sandbox: Sandbox) -> None:
    page = console.admin.get(f"{flag}/integrations").text
    assert "Delivery log" in page
    assert console.admin.post(f"{flag}/integrations/act", data={"act": "resync"}).status_code == 303
    until(lambda: len(sandbox.history(flag.split("/")[4])) == 2, "it was sent again")
    assert console.admin.post(f"{flag}/integrations/act", data={"act": "compare"}).status_code == 303
    until(lambda: ">Done<" in console.admin.get(HEALTH).text, "it was read back")
    assert "Accepted" in console.viewer.get(f"{flag}/integrations/log").text
    assert "Resync" not in console.viewer.get(f"{flag}/integrations").text
    assert console.viewer.post(f"{flag}/integrations/act", data={"act": "resync"}).status_code == 403


def test_a_flag_that_was_never_connected_has_nothing_to_send(console: Console, flag: str) -> None:
    alone = new_flag(console, "alone")
    assert "Delivery log" not in console.admin.get(f"{alone}/integrations").text
    refused = console.admin.post(f"{alone}/integrations/act", data={"act": "resync"})
    assert (refused.status_code, "never connected" in refused.text) == (409, True)


def test_the_log_is_searched_and_bad_times_are_named(console: Console, flag: str) -> None:
    assert "new_checkout" in console.admin.get(f"{LOG}?flag=new_checkout&outcome=accepted").text
    assert "No entry fits" in console.admin.get(f"{LOG}?flag=nobody").text
    assert "No entry fits" in console.admin.get(f"{LOG}?since=2100-01-01T00:00").text
    assert "Accepted" in console.admin.get(f"{LOG}?since=2020-01-01T00:00&until=2100-01-01T00:00").text
    for address in (LOG, f"{flag}/integrations/log"):
        wrong = console.admin.get(f"{address}?since=yesterday")
        assert (wrong.status_code, "2026-09-21T13:45" in wrong.text) == (400, True)
        assert console.admin.get(f"{address}?outcome=odd").status_code == 400


def test_what_was_read_back_and_differed_is_shown_on_the_flag(console: Console, flag: str, sandbox: Sandbox) -> None:
    ctx, _ = world(console)
    flag_id = flag.split("/")[4]
    with ctx.db.write() as tx:
        tx.execute(sa.update(t.outbox_entries).values(delivered_at=ctx.clock() - 120_000))
    sandbox.spoil_flag(flag_id, displayName="<b>other</b>")
    console.admin.post(f"{flag}/integrations/act", data={"act": "compare"})
    until(lambda: "Flagpost sent it again." in console.admin.get(f"{flag}/integrations").text, "it is shown")
    assert "&lt;b&gt;other" in console.admin.get(f"{flag}/integrations").text
    until(lambda: sandbox.flags()[flag_id]["displayName"] == "new_checkout", "it is mended")
