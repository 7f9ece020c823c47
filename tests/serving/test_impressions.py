"""Impressions are read and summed by Split's rules; implausible ones are dropped, and unreadable requests refused."""

import json
from typing import Any

import pytest

from flagpost.errors import InvalidInput, TooLarge
from flagpost.serving.impressions import (
    BULK,
    COUNTS,
    MAX_SUMS,
    SummedImpressions,
    sum_counts,
    sum_impressions,
)
from flagpost.store.flags.impressions import DAY_MS, HOUR_MS, UNKNOWN, RecentImpression, Sum

NOW = 1_790_000_000_000
HOUR = NOW // HOUR_MS * HOUR_MS


def read_bulk(body: object, mode: str = "DEBUG", *, watched: bool = False) -> SummedImpressions:
    sent = BULK.read(json.dumps(body).encode())
    return sum_impressions(sent, mode, NOW, lambda _flag: watched)


def bulk(*impressions: dict[str, Any], mode: str = "DEBUG", watched: bool = False) -> SummedImpressions:
    sent = [{"k": "ann", "t": "on", "m": NOW, "c": 1, "r": "default rule", **one} for one in impressions]
    return read_bulk([{"f": "pay", "i": sent}], mode, watched=watched)


def read_counts(body: object) -> SummedImpressions:
    return sum_counts(COUNTS.read(json.dumps(body).encode()), NOW)


def test_impressions_are_summed_by_flag_treatment_and_hour() -> None:
    summed = bulk({}, {"m": NOW - 5}, {"t": "off"}, {"m": NOW - HOUR_MS}, {"k": "bob"})
    assert summed.sums == {
        ("pay", "on", HOUR): Sum(3, NOW - 5, NOW),
        ("pay", "off", HOUR): Sum(1, NOW, NOW),
        ("pay", "on", HOUR - HOUR_MS): Sum(1, NOW - HOUR_MS, NOW - HOUR_MS),
    }
    assert summed.recent == {}


def test_optimized_mode_leaves_repeated_impressions_to_the_counts_unless_they_have_properties() -> None:
    sent: list[dict[str, Any]] = [{"pt": None}, {"pt": NOW - HOUR_MS}, {"pt": NOW - 1, "properties": '{"a": 1}'}]
    assert bulk(*sent, mode="OPTIMIZED").sums == {("pay", "on", HOUR): Sum(2, NOW, NOW)}
    assert bulk(*sent, mode="DEBUG").sums == {("pay", "on", HOUR): Sum(3, NOW, NOW)}


def test_counts_have_no_treatment_and_no_time_after_now() -> None:
    summed = read_counts({"pf": [{"f": "pay", "m": HOUR, "rc": 7}, {"f": "pay", "m": HOUR - HOUR_MS, "rc": 2}]})
    assert summed.sums == {
        ("pay", UNKNOWN, HOUR): Sum(7, HOUR, NOW),
        ("pay", UNKNOWN, HOUR - HOUR_MS): Sum(2, HOUR - HOUR_MS, HOUR - 1),
    }


def test_a_count_of_zero_adds_no_sum() -> None:
    assert read_counts({"pf": [{"f": "pay", "m": HOUR, "rc": 0}]}).sums == {}


def test_an_application_whose_clock_is_a_little_ahead_is_counted_as_of_now() -> None:
    assert bulk({"m": NOW + 600_000}).sums[("pay", "on", (NOW + 600_000) // HOUR_MS * HOUR_MS)].last_at == NOW


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize(
    ("implausible", "reason"),
    [
        ({"m": NOW + 3 * HOUR_MS}, "time"),
        ({"m": NOW - 5 * DAY_MS}, "time"),
        ({"m": -1}, "time"),
        ({"m": 10**40}, "time"),
        ({"t": "x" * 101}, "treatment"),
        ({"t": "on\0"}, "treatment"),
        ({"t": "\ud800"}, "treatment"),
    ],
)
def test_an_implausible_impression_is_dropped_and_the_others_count(
    implausible: dict[str, Any], reason: str, watched: bool
) -> None:
    summed = bulk(implausible, {}, implausible, watched=watched)
    assert (sum(one.count for one in summed.sums.values()), summed.dropped) == (1, {reason: 2})


@pytest.mark.parametrize("name", ["x" * 256, "pay\0", "\udfff"])
def test_a_name_that_no_flag_can_have_is_dropped(name: str) -> None:
    summed = read_counts({"pf": [{"f": name, "m": HOUR, "rc": 3}]})
    assert (summed.sums, summed.dropped) == ({}, {"flag": 3})


def test_a_live_tail_shows_the_newest_impressions_as_text_that_every_database_accepts() -> None:
    summed = bulk({"k": "a\0\ud800" + "x" * 300, "r": None}, {"k": 7, "pt": NOW}, mode="OPTIMIZED", watched=True)
    first, second = summed.recent["pay"]
    assert first == RecentImpression("a\ufffd?" + "x" * 252, "on", "", NOW)
    assert second.key == "7"
    assert len(bulk(*[{}] * 500, watched=True).recent["pay"]) == 200


def test_a_live_tail_shows_no_impression_of_an_implausible_time() -> None:
    assert [one.at for one in bulk({"m": 10**40}, {}, watched=True).recent["pay"]] == [NOW]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, ""),
        ("text", ""),
        ([1], "[0]"),
        ([{"f": "pay"}], "[0]"),
        ([{"f": 1, "i": []}], "[0].f"),
        ([{"f": "pay", "i": {}}], "[0].i"),
        ([{"f": "pay", "i": [1]}], "[0].i[0]"),
        ([{"f": "pay", "i": [{"t": "on"}]}], "[0].i[0]"),
        ([{"f": "pay", "i": [{"m": NOW}]}], "[0].i[0]"),
        ([{"f": "pay", "i": [{"t": "on", "m": "now"}]}], "[0].i[0].m"),
        ([{"f": "pay", "i": [{"t": "on", "m": 1.5}]}], "[0].i[0].m"),
        ([{"f": "pay", "i": [{"t": "on", "m": True}]}], "[0].i[0].m"),
        ([{"f": "pay", "i": [{"t": "on", "m": float("inf")}]}], "[0].i[0].m"),
        ([{"f": "pay", "i": [{"t": ["on"], "m": NOW}]}], "[0].i[0].t"),
        ([{"f": "pay", "i": [{"t": None, "m": NOW}]}], "[0].i[0].t"),
    ],
)
@pytest.mark.parametrize("watched", [True, False])
def test_impressions_of_another_shape_are_refused_with_a_sentence_and_the_field(
    body: object, path: str, watched: bool
) -> None:
    with pytest.raises(InvalidInput, match=r"\.$") as refused:
        read_bulk(body, watched=watched)
    assert [one.path for one in refused.value.problems] == [path]


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        (1, "pf[1]"),
        ({}, "pf[1]"),
        ({"f": "pay", "m": HOUR}, "pf[1]"),
        ({"f": 1, "m": HOUR, "rc": 1}, "pf[1].f"),
        ({"f": "pay", "m": "x", "rc": 1}, "pf[1].m"),
        ({"f": "pay", "m": HOUR, "rc": -1}, "pf[1].rc"),
        ({"f": "pay", "m": HOUR, "rc": True}, "pf[1].rc"),
        ({"f": "pay", "m": HOUR, "rc": 10**18}, "pf[1].rc"),
    ],
)
def test_counts_of_another_shape_are_refused_with_a_sentence_and_the_field(entry: object, path: str) -> None:
    with pytest.raises(InvalidInput, match=r"\.$") as refused:
        read_counts({"pf": [{"f": "pay", "m": HOUR, "rc": 1}, entry]})
    assert [one.path for one in refused.value.problems] == [path]


def test_a_request_of_too_many_sums_is_too_large() -> None:
    with pytest.raises(TooLarge, match="in parts"):
        read_counts({"pf": [{"f": f"f{n}", "m": HOUR, "rc": 1} for n in range(MAX_SUMS + 1)]})
