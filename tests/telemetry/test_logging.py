"""What the log says, in both of its forms, and what it never says."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from flagpost.telemetry import logging as observe

SECRET = "correct-horse-battery-staple"


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    """Logging as `flagpost serve` sets it up; afterwards as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configuration = structlog.get_config()
    observe.set_up_logging("debug", request.param)
    yield request.param
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


@pytest.fixture
def said(form: str) -> io.StringIO:
    """Everything that is logged."""
    stream = io.StringIO()
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    return stream


def fail_with_a_secret_at_hand() -> None:
    token = SECRET
    assert len(token) > 5
    raise RuntimeError("it broke")


def test_a_traceback_shows_no_local_variable(said: io.StringIO) -> None:
    try:
        fail_with_a_secret_at_hand()
    except RuntimeError:
        structlog.get_logger("flagpost.test").exception("request.crashed")
        logging.getLogger("a.library").exception("it crashed too")
    text = said.getvalue()
    assert text.count("it broke") >= 2
    assert text.count("fail_with_a_secret_at_hand") >= 2
    assert SECRET not in text


def test_a_field_that_speaks_of_a_secret_is_hidden(said: io.StringIO) -> None:
    structlog.get_logger("flagpost.test").info("said", system_token=SECRET, Authorization=SECRET, flag="pay")
    assert "pay" in said.getvalue()
    assert SECRET not in said.getvalue()


def test_each_line_carries_what_it_belongs_to(said: io.StringIO, form: str) -> None:
    with observe.as_request("request-1"), observe.as_delivery() as delivery, observe.naming_changes(["a", "b"], 3):
        structlog.get_logger("flagpost.test").info("jira.called")
    line = said.getvalue()
    if form == "json":
        found = json.loads(line)
        assert (found["request"], found["delivery"], found["changes"]) == ("request-1", delivery, ["a", "b"])
        assert found["changes_more"] == 3
    else:
        assert all(part in line for part in ("request-1", delivery, "a", "b"))


@pytest.mark.parametrize("offered", ["7f3c9b2e", "0af76519-16cd-43dd-8448-eb211c80319c", "web:1234.5_6"])
def test_an_id_that_a_caller_gives_is_kept_where_it_is_plain(offered: str) -> None:
    assert observe.accepted_id(offered) == offered


@pytest.mark.parametrize(
    "offered", ["", "short", "x" * 65, "two words here", "line\nbreak-in-it", "-dash-first", "ünïcödé-id"]
)
def test_any_other_id_is_replaced(offered: str) -> None:
    found = observe.accepted_id(offered)
    assert found != offered
    assert observe.accepted_id(found) == found
