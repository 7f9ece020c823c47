"""*Check this integration*: what is right or wrong between Flagpost and Jira, and what to do where it is wrong.

The console's button, the API and `flagpost doctor` show the same findings. Nothing is changed in Jira: what is sent to
try the permission is a flag for an issue that does not exist, which Jira does not store.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.jira import credentials
from flagpost.actions.jira.api_calls import QuotaUsedUp, ask, quota_used_up
from flagpost.actions.jira.status import IntegrationState, State, get_integration
from flagpost.errors import JiraError
from flagpost.formatting import ago, counted
from flagpost.jira.failure_policy import what_to_do
from flagpost.jira.rate_limits import GET_PERMISSIONS, RateLimited
from flagpost.jira.response import JiraResponse
from flagpost.jira.site_access import APP, OAUTH, IssueAccess
from flagpost.store.jira.integrations import Site

_MOST_CLOCK_DIFFERENCE_MS = 20_000  # Atlassian: an invocation token lives for about 25 seconds
_APP_SILENT_MS = 2 * 3600_000  # its trigger comes every hour


class Verdict(StrEnum):
    """How a finding is meant."""

    GOOD = "good"
    BAD = "bad"
    ADVICE = "advice"  # nothing is wrong; it is good to know


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `to_do` is empty where nothing needs doing."""

    verdict: Verdict
    text: str
    to_do: str = ""


def good(text: str) -> Finding:
    """All is well."""
    return Finding(Verdict.GOOD, text)


def bad(text: str, to_do: str) -> Finding:
    """Something is wrong, and this is what to do about it."""
    return Finding(Verdict.BAD, text, to_do)


def advice(text: str, to_do: str) -> Finding:
    """Nothing is wrong; a reader may look for this."""
    return Finding(Verdict.ADVICE, text, to_do)


def check_integration(ctx: Context, actor: Actor) -> list[Finding]:
    """Look at everything between Flagpost and Jira; what cannot be looked at for want of something else is left out."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    state = get_integration(ctx, actor)
    if state.state is State.NOT_SET_UP:
        return [good("The Jira integration is not set up.")]
    return list(_findings(ctx, state))


def _findings(ctx: Context, state: IntegrationState) -> Iterator[Finding]:
    yield from _projects(state)
    site = state.connected
    if site is None:
        yield bad(f"No Jira site is connected ({state.state.replace('_', ' ')}).", state.reason)
        return
    yield good(f"The Jira site is {site.site_url}, connected {_way(site)}.")
    yield from _way_in(ctx, state, site)
    if site.may_call(ctx.clock()):
        yield from _address(ctx, site)
        yield from _way_out(ctx, site)
        yield from _issues(ctx, state, site)
    else:
        said = "Jira's address, its permissions and its issues were not looked at"
        yield bad(f"{said}: nothing may be asked of it now.", quota_used_up(site, ctx.clock()))
    yield from _delivery(ctx, state, site)
    yield _releases()


def _way(site: Site) -> str:
    return "with OAuth credentials" if site.auth_method == OAUTH else "through the app"


def _projects(state: IntegrationState) -> Iterator[Finding]:
    if state.key is None:
        return
    if state.key.revoked_at is not None:
        yield bad("The integration's token was revoked.", "Regenerate it, and enter it on the Configure page in Jira.")
    for one in state.projects:
        if not one.visible:
            yield bad(f"The token may not see the project {one.project.name}.", "Grant it the view of the project.")
    shown = [one.project.name for one in state.projects if one.visible]
    if shown:
        yield good(f"Jira may be shown the flags of {', '.join(shown)}.")
    else:
        yield bad("Jira may be shown the flags of no project.", "Choose a project for the integration.")


# The address, the network, the clock ------------------------------------------------------------------------------


def _address(ctx: Context, site: Site) -> Iterator[Finding]:
    """Ask the site who it is: that shows the network, its address and the clock at once."""
    try:
        answer = ctx.jira.get_public(f"{site.site_url}/_edge/tenant_info")
    except JiraError as error:
        yield bad(
            f"{site.site_url} cannot be reached: {error.message}", "Check this host's network, proxy and firewall."
        )
        return
    yield _clock(ctx, answer)
    if answer.moved_to:
        ctx.issues.failure_policy.note_move(site, answer)
        yield bad(
            f"{site.site_url} leads to {answer.site_moved_to} now.",
            "Was the site renamed? Then confirm the new address on the integration's page.",
        )
    elif not (answer.ok and isinstance(answer.body, dict) and answer.body.get("cloudId") == site.cloud_id):
        yield bad(f"{site.site_url} is not the site that was connected.", "Connect it again under its present address.")
    else:
        yield good("The site can be reached, and is the one that was connected.")


def _clock(ctx: Context, answer: JiraResponse) -> Finding:
    difference = ctx.clock() - answer.sent_at if answer.sent_at is not None else 0
    if abs(difference) <= _MOST_CLOCK_DIFFERENCE_MS:
        return good("This host's clock agrees with Jira's.")
    seconds = round(abs(difference) / 1000)
    return bad(
        f"This host's clock is {counted(seconds, 'second')} {'ahead of' if difference > 0 else 'behind'} Jira's.",
        "Set it by NTP: Jira's calls are believed for half a minute only, and look expired, or not yet valid.",
    )


def _way_in(ctx: Context, state: IntegrationState, site: Site) -> Iterator[Finding]:
    """Whether Jira reaches Flagpost."""
    if site.auth_method == APP:
        seen = state.installation.last_seen_at if state.installation else 0
        if ctx.clock() - seen <= _APP_SILENT_MS:
            yield good("The app in Jira has called within the last two hours.")
        else:
            last = f"last {ago(seen, ctx.clock())}" if seen else "never"
            yield bad(
                f"The app in Jira should call every hour, and has {last}.",
                f"Is it still installed, and can {ctx.settings.public_url} be reached from the internet over https?",
            )
    elif state.credentials:
        yield _webhook(state)


def _webhook(state: IntegrationState) -> Finding:
    given = state.credentials
    if given is None or given.webhook_secret is None:
        return advice(
            "No webhook tells Flagpost of changed issues.",
            "They are looked up every few hours. To follow them at once, set a webhook up on the integration's page.",
        )
    if given.webhook_refused_at is not None:
        return bad("Calls came to the webhook with a wrong signature.", "Enter the secret in Jira again.")
    if given.webhook_seen_at is None:
        return bad("The webhook was never called.", "Is it entered in Jira, and can Flagpost be reached from outside?")
    return good("Jira's webhook calls, and is signed.")


# Scopes, credentials, issues --------------------------------------------------------------------------------------


def _way_out(ctx: Context, site: Site) -> Iterator[Finding]:
    """Whether Jira takes flags."""
    try:
        answer = credentials.probe(ctx, site.cloud_id, ctx.keyring.flags(site))
        if answer.status == 401 and ctx.keyring.renew(site):
            answer = credentials.probe(ctx, site.cloud_id, ctx.keyring.flags(site))
    except (RateLimited, QuotaUsedUp) as error:
        yield advice(f"Whether Jira takes flags was not looked at: {error.message}", "Check again in a minute.")
        return
    except JiraError as error:
        yield bad(
            f"Flagpost has no token that works: {error.message}", "Nothing is lost: flags wait until there is one."
        )
        return
    if answer.ok:
        yield good("Jira takes flags from Flagpost.")
    elif answer.status in (401, 403, 404):
        yield bad(f"Jira takes no flags ({answer.status}).", what_to_do(answer.status, site.auth_method))
    else:
        yield bad(
            f"Jira takes no flags just now ({answer.status}): {answer.error_message()}",
            "Flagpost tries again by itself.",
        )


def _issues(ctx: Context, state: IntegrationState, site: Site) -> Iterator[Finding]:
    """Whether issues can be looked up, and seen."""
    given = state.credentials
    if given and given.api_refusal:
        yield bad(given.api_refusal, "Enter an API token that works on the integration's page.")
    access = ctx.keyring.issues(site)
    if access is None:
        yield advice(
            "Issues are not looked up: keys are accepted as they are typed.",
            "Add an API token on the integration's page."
            if site.auth_method == OAUTH
            else "It begins with the app's token.",
        )
        return
    try:
        yield _may_browse(_ask_permissions(ctx, site, access))
    except (RateLimited, QuotaUsedUp) as error:
        yield advice(f"Whether issues can be looked up was not looked at: {error.message}", "Check again in a minute.")
    except JiraError as error:
        yield bad(f"Issues cannot be looked up: {error.message}", "Flagpost tries again by itself.")


def _ask_permissions(ctx: Context, site: Site, access: IssueAccess) -> JiraResponse:
    return ask(
        ctx,
        site.cloud_id,
        access.pool,
        GET_PERMISSIONS,
        f"{access.url}/rest/api/3/mypermissions",
        authorization=access.authorization,
        site_url=access.site_url,
        params={"permissions": "BROWSE_PROJECTS"},
    )


def _may_browse(answer: JiraResponse) -> Finding:
    """Atlassian: `mypermissions` says of each permission whether there is any project it is held in."""
    found = answer.body.get("permissions") if answer.ok and isinstance(answer.body, dict) else None
    browse = found.get("BROWSE_PROJECTS") if isinstance(found, dict) else None
    if answer.status == 429 or answer.status >= 500:
        return bad(f"Issues cannot be looked up just now ({answer.status}).", "Flagpost tries again by itself.")
    if not answer.ok:
        return bad(f"Jira does not let issues be looked up ({answer.status}).", "The scope read:jira-work is needed.")
    if isinstance(browse, dict) and browse.get("havePermission"):
        return good("Issues can be looked up. One that is hidden from Flagpost counts as unknown.")
    return bad(
        "Flagpost may browse no project in Jira.",
        "Give the permission Browse projects to the app's user, or to the API token's, in the project's settings.",
    )


# Delivery ---------------------------------------------------------------------------------------------------------


def _delivery(ctx: Context, state: IntegrationState, site: Site) -> Iterator[Finding]:
    now = ctx.clock()
    if site.suspended_reason:
        yield bad("Delivery has stopped.", site.suspended_reason)
    elif max(site.paused_until or 0, site.quota_resets_at or 0) > now:
        yield bad(f"Delivery pauses: {site.last_error}", "Jira asked for patience. It goes on by itself.")
    if site.last_success_at:
        yield good(f"The last success was {ago(site.last_success_at, now)}.")
    else:
        yield advice("Nothing was delivered yet.", "Connect a flag with an issue.")
    if state.pending:
        flags = counted(state.pending, "flag")
        yield advice(f"{flags} waiting to be sent.", "`flagpost serve` sends them as soon as Jira takes them.")
    if state.refused_count:
        names = ", ".join(entry.flag_name for entry in state.refused[:5])
        yield bad(f"Jira refused {counted(state.refused_count, 'flag')}, among them {names}.", "See the flags' pages.")
    if state.credentials and state.credentials.delete_refusal:
        yield advice(state.credentials.delete_refusal, "Flags that were disconnected stay on their issues, as off.")


def _releases() -> Finding:
    return advice(
        "Releases is not shown on an issue?",
        "Flags are under Releases, on the right of the issue, often behind More fields. A viewer needs the "
        "permission View development tools in the project; the field shows once a flag is connected or can be created.",
    )
