"""The manifest of the Forge app, as data. It contains the addresses of one Flagpost, so each has an app of its own.

Atlassian's rules for it: https://developer.atlassian.com/platform/forge/manifest-reference/
"""

from typing import Any

from flagpost.errors import InvalidInput

MAX_URL_TEMPLATE = 255
"""Atlassian: the longest `actions.*.urlTemplate` of a `devops:featureFlagInfoProvider`, placeholders as written."""

CONFIGURE_PAGE, ISSUE_PANEL = "configure-integration", "feature-flags"
PAGES = frozenset({CONFIGURE_PAGE, ISSUE_PANEL})
"""The keys of the app's pages, which identify their calls (Atlassian: `context.moduleKey` of an invocation)."""

LIFECYCLE = ("avi:forge:installed:app", "avi:forge:upgraded:app")

CHANGES = (
    "avi:jira:created:issue",  # a flag may already be connected with its key, by an import for example
    "avi:jira:updated:issue",  # a new summary, status or assignee; also that it moved, as `issue_moved`
    "avi:jira:deleted:issue",
    # Jira sends no event of the single issues when their whole project disappears or returns.
    "avi:jira:updated:project",  # a new project key gives every issue a new key
    "avi:jira:deleted:project",
    "avi:jira:softdeleted:project",
    "avi:jira:restored:project",
    "avi:jira:archived:project",
    "avi:jira:unarchived:project",
)
"""The events about issues that Flagpost needs; Atlassian requires `read:jira-work` for each."""

SCOPES = (
    "read:feature-flag-info:jira",  # reading a flag back from Jira, to compare it
    "write:feature-flag-info:jira",  # sending flags
    "delete:feature-flag-info:jira",  # deleting a flag whose last issue was disconnected
    "read:jira-work",  # looking issues up, moved ones too, and every event of `CHANGES`
    "read:app-system-token",  # receiving the app's token with each call, which all of the above need
)
"""All permissions that the app needs. An admin agrees to each when installing it."""


def forge_manifest(base_url: str, app_id: str) -> dict[str, Any]:
    """The manifest: where Create and Connect lead, the app's pages, and which endpoint is called when.

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
        "icon": "resource:panel;icon.svg",  # an absolute address would need a permission for external images
        "resource": "panel",
        "resolver": {"endpoint": "panel"},
    }


def _endpoint(name: str) -> dict[str, Any]:
    """An endpoint, and the tokens that Atlassian sends to it.

    A page's calls name their paths themselves (Atlassian, manifest-reference/endpoint: "UI module remote resolver
    endpoint paths are always specified in invokeRemote requests"), so that `panel` covers `/forge/panel/search` too.
    """
    auth = {"appSystemToken": {"enabled": True}, "appUserToken": {"enabled": False}}
    return {"key": name, "remote": "flagpost", "route": {"path": f"/forge/{name}"}, "auth": auth}
