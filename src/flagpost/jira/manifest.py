"""The Forge app's manifest for one's own Flagpost, as data. Addresses are fixed in it, so everybody has their own."""

from typing import Any

from flagpost.errors import InvalidInput

MAX_URL_TEMPLATE = 255  # Atlassian: actions.*.urlTemplate
EVENTS = ("avi:forge:installed:app", "avi:forge:upgraded:app")


def forge_manifest(base_url: str, app_id: str) -> dict[str, Any]:
    """What Jira has to know: where Create and Connect lead, the Configure page, and what is called when.

    Raises InvalidInput where the base URL makes an address too long for Jira.
    """
    base_url = base_url.rstrip("/")
    create = f"{base_url}/flags/new?issue={{issue.key}}&summary={{issue.summary}}"
    link = f"{base_url}/flags/connect?issue={{issue.key}}&summary={{issue.summary}}"
    if max(len(create), len(link)) > MAX_URL_TEMPLATE:
        raise InvalidInput("The address is too long for Jira; use a shorter host name or path.", "base_url")
    return {
        "app": {"id": app_id, "runtime": {"name": "nodejs22.x"}},
        "remotes": [
            {
                "key": "flagpost",
                "baseUrl": base_url,
                "operations": ["storage", "compute"],
                "storage": {"inScopeEUD": True},
            }
        ],
        "modules": {
            "devops:featureFlagInfoProvider": [_provider(base_url, create, link)],
            "jira:adminPage": [
                {
                    "key": "configure-integration",
                    "title": "Configure integration",
                    "useAsConfig": True,
                    "resource": "configure-page",
                    "resolver": {"endpoint": "configure"},
                }
            ],
            "trigger": [{"key": "lifecycle", "events": list(EVENTS), "endpoint": "installed"}],
            "scheduledTrigger": [{"key": "fresh-token", "interval": "hour", "endpoint": "token"}],
            "preUninstall": [{"key": "leaving", "endpoint": "uninstall"}],
            "endpoint": [_endpoint(name) for name in ("configure", "installed", "token", "uninstall")],
        },
        "resources": [{"key": "configure-page", "path": "static"}],
        "permissions": {
            "scopes": [
                "read:feature-flag-info:jira",
                "write:feature-flag-info:jira",
                "delete:feature-flag-info:jira",
                "read:app-system-token",
                "read:jira-work",
            ]
        },
    }


def _provider(base_url: str, create: str, link: str) -> dict[str, Any]:
    return {
        "key": "flagpost-flags",
        "name": {"value": "Flagpost"},
        "homeUrl": base_url,
        "logoUrl": f"{base_url}/static/icon.svg",
        "actions": {"createFlag": {"urlTemplate": create}, "linkFlag": {"urlTemplate": link}},
    }


def _endpoint(name: str) -> dict[str, Any]:
    auth = {"appSystemToken": {"enabled": True}, "appUserToken": {"enabled": False}}
    return {"key": name, "remote": "flagpost", "route": {"path": f"/forge/{name}"}, "auth": auth}
