"""The tab Traffic, last traffic, the live tail, and stale flags on the list of flags."""

import re

import pytest

from flagpost.actions.context import Context
from flagpost.store.flags import impressions
from flagpost.store.flags.impressions import DAY_MS, HOUR_MS, UNKNOWN, Column, RecentImpression, Sum, SumKey
from flagpost.web.console.traffic_chart import MAX_SERIES, Chart
from tests.web.conftest import Console
from tests.web.console.test_pages import initiate, new_flag

pytestmark = pytest.mark.slow


def ctx_of(console: Console) -> Context:
    ctx: Context = console.ctx
    return ctx


def serve(console: Console, place: str, flag: str, treatment: str, count: int, days_ago: float = 0) -> None:
    ctx = ctx_of(console)
    at = int(ctx.clock() - days_ago * DAY_MS)
    with ctx.db.write() as tx:
        impressions.add(tx, {SumKey(place, flag, treatment, at // HOUR_MS * HOUR_MS): Sum(count, at, at)})


def test_a_flag_without_traffic_says_so_on_every_tab(console: Console) -> None:
    url = new_flag(console)
    initiate(console, url)
    for tab in ("definition", "integrations", "traffic", "settings"):
        assert re.search(r"Last traffic.*?<span class=muted>never", console.admin.get(f"{url}/{tab}").text, re.DOTALL)
    page = console.admin.get(f"{url}/traffic?span=month").text
    assert "No traffic in 30 days" in page
    assert "No application has asked for this flag in Production yet" in page


@pytest.mark.parametrize("span", ["day", "week", "month", "quarter", "nonsense"])
def test_the_chart_shows_treatments_and_the_same_numbers_as_a_table(console: Console, span: str) -> None:
    url = new_flag(console)
    place = initiate(console, url)
    serve(console, place, "new_checkout", "on", 1234)
    serve(console, place, "new_checkout", "off", 100)
    serve(console, place, "new_checkout", UNKNOWN, 50)
    page = console.viewer.get(f"{url}/traffic?environment={place}&span={span}").text
    assert "just now" in page
    assert [*re.findall(r'class="count">([^<]+)</t', page)] == [
        "on",
        "off",
        "Treatment not known",
        "1,234",
        "100",
        "50",
    ]
    assert page.count("<title>") - 1 == 3  # one a bar, beside the page's own
    assert "counts name no treatment" in page


def test_the_other_environment_has_its_own_traffic(console: Console) -> None:
    url = new_flag(console)
    place = initiate(console, url)
    serve(console, place, "new_checkout", "on", 7)
    other = next(
        one for one in re.findall(r'<option value="([^"]+)"[^>]*>', console.admin.get(url).text) if one != place
    )
    assert "No traffic in 24 hours" in console.admin.get(f"{url}/traffic?environment={other}").text


def test_a_live_tail_shows_who_got_what_and_is_followed_only_while_somebody_looks(console: Console) -> None:
    url = new_flag(console)
    place = initiate(console, url)
    ctx = ctx_of(console)
    assert "/traffic/tail?" not in console.admin.get(f"{url}/traffic?environment={place}").text
    with ctx.db.read() as tx:
        assert impressions.watched(tx, ctx.clock()) == {}
    page = console.admin.get(f"{url}/traffic?environment={place}&live=yes").text
    assert "No impression arrived yet" in page
    with ctx.db.write() as tx:
        ((_, name),) = watched = impressions.watched(tx, ctx.clock())
        assert name == "new_checkout"
        shown = [RecentImpression("<b>ann</b>", "on", "default rule", ctx.clock())]
        impressions.add_recent(tx, place, watched[place, name], shown, ctx.clock())
    address = re.search(r'hx-get="([^"]+)"', page)
    assert address
    tail = console.viewer.get(address[1]).text
    assert "&lt;b&gt;ann&lt;/b&gt;" in tail
    assert "default rule" in tail
    assert "<html" not in tail


def test_nobody_sees_the_traffic_of_a_project_they_may_not_see(console: Console) -> None:
    url = new_flag(console)
    place = initiate(console, url)
    ctx = ctx_of(console)
    with ctx.db.write() as tx:
        tx.exec_driver_sql("UPDATE projects SET restricted = 1")
    for path in (f"{url}/traffic", f"{url}/traffic?live=yes", f"{url}/traffic/tail?environment={place}"):
        assert console.viewer.get(path).status_code == 404
        assert console.stranger.get(path).status_code == 303
    with ctx.db.read() as tx:
        assert impressions.watched(tx, ctx.clock()) == {}


def test_stale_flags_are_marked_and_found_on_the_list(console: Console) -> None:
    place = initiate(console, new_flag(console, "settled"))
    for name in ("quiet", "mixed"):
        new_flag(console, name)
    flags = f"/projects/{console.project}/flags"
    for treatment in ("on", "off"):
        serve(console, place, "mixed", treatment, 1, days_ago=60)
        serve(console, place, "mixed", treatment, 1)
    serve(console, place, "settled", "on", 1, days_ago=60)
    serve(console, place, "settled", "on", 1)
    assert "for 30 days</a>" not in console.admin.get(flags).text  # all of them are new
    with ctx_of(console).db.write() as tx:
        tx.exec_driver_sql(f"UPDATE flags SET created_at = created_at - {90 * DAY_MS}")
        tx.exec_driver_sql(f"UPDATE definitions SET created_at = created_at - {90 * DAY_MS}")
    page = console.admin.get(flags).text
    assert page.count("No traffic for 30 days</a>") == 1
    assert 'Only <span class="break">on</span> for 30 days</a>' in page

    def found(kind: str) -> list[str]:
        return re.findall(r"<strong>([^<]+)</strong></a>", console.viewer.get(f"{flags}?removal={kind}").text)

    assert found("any") == ["quiet", "settled"]
    assert found("unused") == ["quiet"]
    assert found("settled") == ["settled"]
    assert found("nonsense") == ["mixed", "quiet", "settled"]


def test_a_chart_shows_what_does_not_fit_together_and_its_scale_is_round() -> None:
    columns = [Column(0, f"t{number:02}", 30 - number) for number in range(20)]
    chart = Chart(0, 2 * HOUR_MS, HOUR_MS, [*columns, Column(HOUR_MS, UNKNOWN, 3)])
    names = [one.name for one in chart.series]
    assert names[:2] == ["t00", "t01"]
    assert names[-2:] == ["Others", "Treatment not known"]
    assert len(names) == MAX_SERIES + 1
    assert chart.total == sum(30 - number for number in range(20)) + 3
    assert abs(sum(one.share for one in chart.series) - 100) < 0.001
    assert chart.top == 600
    first = [bar for bar in chart.bars if bar.x < 1]
    assert abs(sum(bar.height for bar in first) - 100 * (chart.total - 3) / chart.top) < 0.1
    assert [line.when for line in chart.lines] == ["1 Jan 01:00", "1 Jan 00:00"]


@pytest.mark.parametrize(("most", "top"), [(0, 2), (1, 2), (2, 2), (3, 4), (5, 6), (11, 20), (401, 600), (39, 40)])
def test_a_scale_ends_at_a_round_number(most: int, top: int) -> None:
    columns = [Column(0, "on", most)] if most else []
    assert Chart(0, HOUR_MS, HOUR_MS, columns).top == top
