"""The Forge app's manifest for one's own Flagpost, as data. Addresses are fixed in it, so everybody has their own.

Atlassian's rules for it: https://developer.atlassian.com/platform/forge/manifest-reference/
"""

from typing import Any

from flagpost.errors import InvalidInput

MAX_URL_TEMPLATE = 255
"""Atlassian: the longest `actions.*.urlTemplate` of a `devops:featureFlagInfoProvider`, placeholders as written."""

CONFIGURE_PAGE, ISSUE_PANEL = "configure-integration", "feature-flags"
PAGES = frozenset({CONFIGURE_PAGE, ISSUE_PANEL})
"""The keys of the app's pages, which their calls are told by (Atlassian: `context.moduleKey` of an invocation)."""

LIFECYCLE = ("avi:forge:installed:app", "avi:forge:upgraded:app")

CHANGES = (
    "avi:jira:created:issue",  # a flag may wait for it: connected by a key before the issue was there, or imported
    "avi:jira:updated:issue",  # a new summary, status or assignee; also that it moved, as `issue_moved`
    "avi:jira:deleted:issue",
    # None of an issue's own events comes when its whole project goes or returns.
    "avi:jira:updated:project",  # a new project key gives every issue a new key
    "avi:jira:deleted:project",
    "avi:jira:softdeleted:project",
    "avi:jira:restored:project",
    "avi:jira:archived:project",
    "avi:jira:unarchived:project",
)
"""What happens to issues that Flagpost has to hear of; Atlassian asks `read:jira-work` for each."""

SCOPES = (
    "read:feature-flag-info:jira",  # reading back what Jira holds of a flag, to find what differs
    "write:feature-flag-info:jira",  # telling Jira of flags
    "delete:feature-flag-info:jira",  # having Jira forget a flag whose last issue was disconnected
    "read:jira-work",  # looking an issue up, following one that moved, and every event of `CHANGES`
    "read:app-system-token",  # being handed the app's token with each call, without which none of these works
)
"""All the app asks for. An admin agrees to each when it is installed."""


def forge_manifest(base_url: str, app_id: str) -> dict[str, Any]:
    """What Jira has to know: where Create and Connect lead, the app's pages, and what is called when.

    Raises InvalidInput where the base URL makes an address too long for Jira.
    """
    base_url = base_url.rstrip("/")
    return {
        "app": {"id": app_id, "runtime": {"name": "nodejs22.x"}},
        "remotes": [_remote(base_url)],
        "modules": {
            "devops:featureFlagInfoProvider": [_provider(base_url)],
            "jira:adminPage": [_configure_page()],
            "jira:issuePanel": [_issue_panel()],
            "trigger": [
                {"key": "lifecycle", "events": list(LIFECYCLE), "endpoint": "installed"},
                {"key": "issues", "events": list(CHANGES), "endpoint": "events"},
            ],
            "scheduledTrigger": [{"key": "fresh-token", "interval": "hour", "endpoint": "token"}],
            "preUninstall": [{"key": "leaving", "endpoint": "uninstall"}],
            "endpoint": [
                _endpoint(name) for name in ("configure", "panel", "installed", "events", "token", "uninstall")
            ],
        },
        "resources": [{"key": name, "path": f"static/{name}"} for name in ("configure", "panel")],
        "permissions": {"scopes": list(SCOPES)},
    }


def _remote(base_url: str) -> dict[str, Any]:
    return {
        "key": "flagpost",
        "baseUrl": base_url,
        "operations": ["storage", "compute"],
        "storage": {"inScopeEUD": True},
    }


def _provider(base_url: str) -> dict[str, Any]:
    actions = {"createFlag": "flags/new", "linkFlag": "flags/connect"}
    return {
        "key": "flagpost-flags",
        "name": {"value": "Flagpost"},
        "homeUrl": base_url,
        "logoUrl": f"{base_url}/static/icon.svg",
        "actions": {name: {"urlTemplate": _url_template(base_url, path)} for name, path in actions.items()},
    }


def _url_template(base_url: str, path: str) -> str:
    template = f"{base_url}/{path}?issue={{issue.key}}&summary={{issue.summary}}"
    if len(template) > MAX_URL_TEMPLATE:
        raise InvalidInput("The address is too long for Jira; use a shorter host name.", "base-url")
    return template


def _configure_page() -> dict[str, Any]:
    return {
        "key": CONFIGURE_PAGE,
        "title": "Configure integration",
        "useAsConfig": True,
        "resource": "configure",
        "resolver": {"endpoint": "configure"},
    }


def _issue_panel() -> dict[str, Any]:
    return {
        "key": ISSUE_PANEL,
        "title": "Feature flags",
        "icon": "resource:panel;icon.svg",  # an absolute address would need a permission for images from outside
        "resource": "panel",
        "resolver": {"endpoint": "panel"},
    }


def _endpoint(name: str) -> dict[str, Any]:
    """An endpoint and the tokens it is sent.

    A page's calls name their paths themselves (Atlassian, manifest-reference/endpoint: "UI module remote resolver
    endpoint paths are always specified in invokeRemote requests"), so that `panel` covers `/forge/panel/search` too.
    """
    auth = {"appSystemToken": {"enabled": True}, "appUserToken": {"enabled": False}}
    return {"key": name, "remote": "flagpost", "route": {"path": f"/forge/{name}"}, "auth": auth}
