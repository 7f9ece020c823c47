"""Each thing that can be wrong with a site's address gets its own sentence, and nothing is sent to strange hosts."""

import pytest

from flagpost.actions import jira_site
from flagpost.actions.context import Context
from flagpost.errors import InvalidInput, JiraError


def test_without_a_network_it_says_that_and_not_that_the_address_is_wrong(sqlite_ctx: Context) -> None:
    with pytest.raises(JiraError, match="cannot reach Atlassian"):
        jira_site.find_site(sqlite_ctx, "http://127.0.0.1:9")


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
        "ftp://team.atlassian.net",
        "",
    ],
)
def test_what_cannot_be_a_cloud_site_is_refused_without_being_called(sqlite_ctx: Context, address: str) -> None:
    with pytest.raises(InvalidInput, match="not a Jira Cloud site"):
        jira_site.checked_address(sqlite_ctx, address)


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
    assert jira_site.checked_address(sqlite_ctx, typed) == address
