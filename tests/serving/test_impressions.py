"""What SDKs send is read by Split's rules; what makes no sense is dropped or refused, and never half counted."""

from typing import Any

import pytest

from flagpost.errors import InvalidInput, TooLarge
from flagpost.serving.impressions import MOST_SUMS, Impressions, read_bulk, read_counts
from flagpost.store.flags.impressions import DAY_MS, HOUR_MS, UNKNOWN, Recent, Sum

NOW = 1_790_000_000_000
HOUR = NOW // HOUR_MS * HOUR_MS


def bulk(*impressions: dict[str, Any], mode: str = "DEBUG", watched: bool = False) -> Impressions:
    sent = [{"k": "ann", "t": "on", "m": NOW, "c": 1, "r": "default rule", **one} for one in impressions]
    return read_bulk([{"f": "pay", "i": sent}], mode, NOW, lambda _flag: watched)


def test_impressions_are_summed_by_flag_treatment_and_hour() -> None:
    heard = bulk({}, {"m": NOW - 5}, {"t": "off"}, {"m": NOW - HOUR_MS}, {"k": "bob"})
    assert heard.sums == {
        ("pay", "on", HOUR): Sum(3, NOW - 5, NOW),
        ("pay", "off", HOUR): Sum(1, NOW, NOW),
        ("pay", "on", HOUR - HOUR_MS): Sum(1, NOW - HOUR_MS, NOW - HOUR_MS),
    }
    assert heard.recent == {}


def test_in_optimized_mode_what_was_seen_before_is_left_to_the_counts_unless_it_has_properties() -> None:
    sent: list[dict[str, Any]] = [{"pt": None}, {"pt": NOW - HOUR_MS}, {"pt": NOW - 1, "properties": '{"a": 1}'}]
    assert bulk(*sent, mode="OPTIMIZED").sums == {("pay", "on", HOUR): Sum(2, NOW, NOW)}
    assert bulk(*sent, mode="DEBUG").sums == {("pay", "on", HOUR): Sum(3, NOW, NOW)}


def test_counts_have_no_treatment_and_no_time_after_now() -> None:
    heard = read_counts({"pf": [{"f": "pay", "m": HOUR, "rc": 7}, {"f": "pay", "m": HOUR - HOUR_MS, "rc": 2}]}, NOW)
    assert heard.sums == {
        ("pay", UNKNOWN, HOUR): Sum(7, HOUR, NOW),
        ("pay", UNKNOWN, HOUR - HOUR_MS): Sum(2, HOUR - HOUR_MS, HOUR - 1),
    }


def test_an_application_whose_clock_is_a_little_ahead_is_believed_to_mean_now() -> None:
    assert bulk({"m": NOW + 600_000}).sums[("pay", "on", (NOW + 600_000) // HOUR_MS * HOUR_MS)].last_at == NOW


@pytest.mark.parametrize(
    ("odd", "reason"),
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
def test_what_is_absurd_is_dropped_and_the_rest_counts(odd: dict[str, Any], reason: str) -> None:
    heard = bulk(odd, {}, odd)
    assert (sum(one.count for one in heard.sums.values()), heard.dropped) == (1, {reason: 2})


@pytest.mark.parametrize("name", ["x" * 256, "pay\0", "\udfff"])
def test_a_name_that_no_flag_can_have_is_dropped(name: str) -> None:
    heard = read_counts({"pf": [{"f": name, "m": HOUR, "rc": 3}]}, NOW)
    assert (heard.sums, heard.dropped) == ({}, {"flag": 3})


def test_a_live_tail_shows_the_newest_in_texts_that_every_database_takes() -> None:
    heard = bulk({"k": "a\0\ud800" + "x" * 300, "r": None}, {"k": 7, "pt": NOW}, mode="OPTIMIZED", watched=True)
    first, second = heard.recent["pay"]
    assert first == Recent("a\ufffd?" + "x" * 252, "on", "", NOW)
    assert second.key == "7"
    assert len(bulk(*[{}] * 500, watched=True).recent["pay"]) == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        "text",
        [1],
        [{"f": "pay"}],
        [{"f": 1, "i": []}],
        [{"f": "pay", "i": {}}],
        [{"f": "pay", "i": [1]}],
        [{"f": "pay", "i": [{"t": "on"}]}],
        [{"f": "pay", "i": [{"m": NOW}]}],
        [{"f": "pay", "i": [{"t": "on", "m": "now"}]}],
        [{"f": "pay", "i": [{"t": "on", "m": 1.5}]}],
        [{"f": "pay", "i": [{"t": "on", "m": float("inf")}]}],
        [{"f": "pay", "i": [{"t": ["on"], "m": NOW}]}],
        [{"f": "pay", "i": [{"t": None, "m": NOW}]}],
    ],
)
@pytest.mark.parametrize("watched", [True, False])
def test_impressions_that_cannot_be_read_are_refused_with_a_sentence(body: Any, watched: bool) -> None:
    with pytest.raises(InvalidInput, match=r"\."):
        read_bulk(body, "DEBUG", NOW, lambda _flag: watched)


@pytest.mark.parametrize(
    "entry",
    [
        1,
        {},
        {"f": "pay", "m": HOUR},
        {"f": "pay", "m": "x", "rc": 1},
        {"f": "pay", "m": HOUR, "rc": -1},
        {"f": "pay", "m": HOUR, "rc": True},
        {"f": "pay", "m": HOUR, "rc": 10**18},
    ],
)
def test_counts_that_cannot_be_read_are_refused_with_their_place(entry: Any) -> None:
    with pytest.raises(InvalidInput, match=r"pf\[1\]"):
        read_counts({"pf": [{"f": "pay", "m": HOUR, "rc": 1}, entry]}, NOW)


def test_a_request_of_too_many_sums_is_too_large() -> None:
    with pytest.raises(TooLarge, match="in parts"):
        read_counts({"pf": [{"f": f"f{n}", "m": HOUR, "rc": 1} for n in range(MOST_SUMS + 1)]}, NOW)
