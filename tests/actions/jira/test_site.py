"""Each thing that can be wrong with a site's address gets its own sentence, and nothing is sent to strange hosts."""

import pytest

from flagpost.actions.context import Context
from flagpost.actions.jira import site
from flagpost.errors import InvalidInput, JiraError


def test_without_a_network_it_says_that_and_not_that_the_address_is_wrong(sqlite_ctx: Context) -> None:
    with pytest.raises(JiraError, match="cannot reach Atlassian"):
        site.find_site(sqlite_ctx, "http://127.0.0.1:9")


@pytest.mark.parametrize(
    "address",
    [
        "https://jira.example.com",
        "https://team.atlassian.net.evil.example",
        "https://evilatlassian.net",
        "http://team.atlassian.net",
        "https://10.0.0.1",
        "https://evil.example/team.atlassian.net",
        "https://team.atlassian.net@evil.example",
        "https://2130706433",
    ],
)
def test_what_cannot_be_a_cloud_site_is_refused_without_being_called(sqlite_ctx: Context, address: str) -> None:
    with pytest.raises(InvalidInput, match="not a Jira Cloud site"):
        site.checked_address(sqlite_ctx, address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://",
        "https://.atlassian.net",
        "a..atlassian.net",
        "https://-a.atlassian.net",
        "https://a-.atlassian.net",
        f"https://{'a' * 64}.atlassian.net",
        f"https://{'a.' * 125}atlassian.net",
        "https://evil.example%2f.atlassian.net",
        "https://evil.example\\.atlassian.net",
        "https://evil.example\\@team.atlassian.net",
        "https://te am.atlassian.net",
        "https://te\tam.atlassian.net",
        "https://team.atlassian.net.",
        "https://team\u3002atlassian.net",
        "https://\u212aim.atlassian.net",
        "https://team.atlassian.net:port",
        "https://team.atlassian.net:99999",
        "ftp://team.atlassian.net",
        "http://127.0.0.1:80:80",
    ],
)
def test_what_is_no_address_is_said_to_be_none(sqlite_ctx: Context, address: str) -> None:
    with pytest.raises(InvalidInput, match="not an address"):
        site.checked_address(sqlite_ctx, address)


def test_a_cloud_site_has_no_port(sqlite_ctx: Context) -> None:
    assert site.checked_address(sqlite_ctx, "https://team.atlassian.net:443") == "https://team.atlassian.net"
    with pytest.raises(InvalidInput, match="A Jira Cloud site has no port"):
        site.checked_address(sqlite_ctx, "https://team.atlassian.net:8443")


@pytest.mark.parametrize("address", ["https://.atlassian.net", "https://a..atlassian.net", "https://%2f.atlassian.net"])
def test_an_address_from_elsewhere_that_is_none_is_refused_and_not_asked(sqlite_ctx: Context, address: str) -> None:
    with pytest.raises(InvalidInput, match="not a Jira Cloud site"):
        site.find_site(sqlite_ctx, address)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("team.atlassian.net", "https://team.atlassian.net"),
        (" https://Team.atlassian.net/jira/software/projects ", "https://team.atlassian.net"),
        ("https://somebody:secret@team.atlassian.net/", "https://team.atlassian.net"),
    ],
)
def test_a_cloud_sites_address_is_taken_without_what_surrounds_it(
    sqlite_ctx: Context, typed: str, address: str
) -> None:
    assert site.checked_address(sqlite_ctx, typed) == address
