"""Every call that changes an account over the two APIs: how it is made, and what it does to the stored account.

`WRITES` has an entry for each route of the application that writes, and `LEFT_OUT` the others, by the reason.
"""

from tests.end_to_end.writes import flags, jira, people, projects, segments
from tests.end_to_end.writes.call import BREAKING, WRITES, Call, Memory, Scene, make

__all__ = [
    "BREAKING",
    "LEFT_OUT",
    "WRITES",
    "Call",
    "Memory",
    "Scene",
    "flags",
    "jira",
    "make",
    "people",
    "projects",
    "segments",
]

_FLAG = "/projects/{project}/flags/{flag}"
_SEGMENT = "/projects/{project}/segments/{segment}"
LEFT_OUT: dict[str, tuple[str, ...]] = {
    "it changes nothing: it evaluates, searches or shows": (
        "POST /api/v1/projects/{project}/flags/{flag}/evaluate",
        "POST /ofrep/v1/evaluate/flags",
        "POST /ofrep/v1/evaluate/flags/{key:path}",
        "POST /forge/panel/search",
        f"POST {_FLAG}/definition",
        f"POST {_FLAG}/try",
    ),
    "applications send counters, which are added up and belong to no object": (
        "POST /sdk/testImpressions/bulk",
        "POST /sdk/testImpressions/count",
        "POST /sdk/testImpressions/beacon",
        "POST /sdk/testImpressions/count/beacon",
        "POST /sdk/events/bulk",
        "POST /sdk/events/beacon",
        "POST /sdk/v1/metrics/config",
        "POST /sdk/v1/metrics/usage",
        "POST /sdk/v1/metrics/usage/beacon",
        "POST /sdk/v1/keys/ss",
        "POST /sdk/v1/keys/cs",
        "POST /sdk/v1/keys/cs/beacon",
    ),
    "a call of Jira's own, signed by Atlassian; the connection has to stand for the comparison with Jira": (
        "POST /forge/configure",
        "POST /forge/installed",
        "POST /forge/token",
        "POST /forge/events",
        "POST /forge/uninstall",
        "POST /forge/panel/connect",
        "POST /forge/panel/disconnect",
        "POST /forge/panel/link",
        "POST /forge/panel/unlink",
        "POST /webhooks/jira/{credentials}",
    ),
    "it signs a user in or out, or concerns nothing but the user's own sessions": (
        "POST /signin",
        "POST /setup/{token}",
        "POST /invite/{token}",
        "POST /signout",
        "POST /profile/password",
        "POST /profile/sessions/{session_id}/end",
        "POST /jira/link",
        "POST /jira/link/end",
    ),
    "a form of the console: it calls the actions that the routes of the APIs above call": (
        "POST /flags/new",
        "POST /flags/connect",
        f"POST {_FLAG}/definition/save",
        f"POST {_FLAG}/kill",
        f"POST {_FLAG}/restore",
        f"POST {_FLAG}/integrations/act",
        f"POST {_FLAG}/issues",
        f"POST {_FLAG}/issues/{{issue}}/disconnect",
        f"POST {_FLAG}/settings",
        "POST /projects/{project}/flag-sets",
        "POST /projects/{project}/flag-sets/{flag_set}/delete",
        "POST /projects/{project}/segments",
        f"POST {_SEGMENT}",
        f"POST {_SEGMENT}/upload",
        f"POST {_SEGMENT}/rules",
        "POST /projects/{project}/change-requests/{id}",
        "POST /admin/integrations/jira",
        "POST /admin/integrations/jira/act",
        "POST /admin/integrations/jira/credentials",
        "POST /admin/integrations/jira/credentials/issues",
        "POST /admin/integrations/health",
        "POST /admin/projects",
        "POST /admin/projects/{project}",
        "POST /admin/environments",
        "POST /admin/api-keys",
        "POST /admin/api-keys/{key}/revoke",
        "POST /admin/users",
        "POST /admin/groups",
    ),
}
