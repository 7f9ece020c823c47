"""The weight of a media type in an Accept header, by RFC 9110."""

import pytest

from flagpost.web.accept import weight

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "html", "json"),
    [
        ("", 1, 1),
        ("*/*", 1, 1),
        (BROWSER, 1, 0.8),
        ("application/json", 0, 1),
        ("application/json, text/html;q=0.5", 0.5, 1),
        ("text/*;q=0.3, application/json;q=0.2", 0.3, 0.2),
        ("*/*, text/html;q=0", 0, 1),
        ("TEXT/HTML; Q=0.4", 0.4, 0),
        ("text/html;level=1;q=0.7", 0.7, 0),
        ("text/html;q=high, */*;q=7", 0, 1),
        (";;,,q", 0, 0),
    ],
)
def test_the_most_specific_range_decides(accept: str, html: float, json: float) -> None:
    assert (weight(accept, "text/html"), weight(accept, "application/json")) == (html, json)
