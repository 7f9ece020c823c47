"""Sending flags in bulk requests, and what becomes of each flag of a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flagpost.jira import removal
from flagpost.jira.failure_policy import one_flag_is_to_blame
from flagpost.jira.flags_api import FlagsApi
from flagpost.jira.payload import JiraFlagState, bulk_request, flag_payload
from flagpost.jira.response import JiraResponse
from flagpost.jira.result_recorder import ResultRecorder
from flagpost.jira.submit_response import refusal, unknown_issues
from flagpost.store.jira.delivery_log import SENT, Delivered
from flagpost.store.jira.delivery_results import DeliveryResult
from flagpost.store.jira.outbox import OutboxEntry

REFUSED_AS_A_WHOLE = (400, 413)
"""The statuses of a request that is wrong or too large: Jira takes nothing of it, and fewer flags may be accepted."""


class RequestFailed(Exception):
    """Jira took nothing of a request. `culprit`: the entry that it may fail at, where the request had only one."""

    def __init__(self, response: JiraResponse, culprit: OutboxEntry | None = None) -> None:
        super().__init__(response.status)
        self.response = response
        self.culprit = culprit


@dataclass(frozen=True, slots=True)
class Submitter:
    """Sends the entries of one project. Where a request fails, sends each half alone, to find what is to blame."""

    recorder: ResultRecorder

    def send(self, api: FlagsApi, entries: Sequence[OutboxEntry], states: Mapping[str, JiraFlagState]) -> None:
        """Send these entries, and record Jira's answer for each. Raises RequestFailed where it does not answer."""
        properties = removal.properties(api.site.account_id, entries[0].project_id)
        body = bulk_request([flag_payload(states[entry.flag_id]) for entry in entries], properties)
        response = submit(api, body, [states[entry.flag_id].issues for entry in entries])
        refused = response.status in REFUSED_AS_A_WHOLE
        if response.ok:
            self._record(api, entries, states, response)
        elif len(entries) > 1 and (refused or one_flag_is_to_blame(api.site, response)):
            middle = len(entries) // 2
            self.send(api, entries[:middle], states)
            self.send(api, entries[middle:], states)
        elif refused:
            result = refused_result(entries[0], response, response.error_message())
            self.recorder.record(api.site, [Delivered(entries[0], result, SENT, states[entries[0].flag_id])])
        else:
            raise RequestFailed(response, entries[0] if len(entries) == 1 else None)

    def _record(
        self,
        api: FlagsApi,
        entries: Sequence[OutboxEntry],
        states: Mapping[str, JiraFlagState],
        response: JiraResponse,
    ) -> None:
        body = response.body if isinstance(response.body, dict) else {}
        unknown = unknown_issues(body)
        sent = [_delivered(entry, states[entry.flag_id], body, unknown, response.trace_id) for entry in entries]
        shown = [one.entry.flag_id for one in sent if one.result.sent_issues]
        elsewhere = [flag_id for flag_id in shown if set(states[flag_id].issues) <= set(unknown)]
        self.recorder.record(api.site, sent, unknown, elsewhere)


def _delivered(
    entry: OutboxEntry, state: JiraFlagState, body: dict[str, Any], unknown: Sequence[str], trace_id: str | None
) -> Delivered:
    message = refusal(entry.flag_id, state.issues, body, unknown)
    issues = entry.sent_issues if message else state.issues
    result = DeliveryResult(entry.flag_id, entry.latest_version, True, message, trace_id, issues)
    return Delivered(entry, result, SENT, state)


def submit(api: FlagsApi, body: Mapping[str, Any], issues: Sequence[Sequence[str]]) -> JiraResponse:
    """Send a bulk request of flags with these issues, once they may be written: a half writes its issues again."""
    while wait := api.writes.wait_for_each(issues):
        api.pause(wait)
    return api.bulk(body, [issue for of_flag in issues for issue in of_flag])


def refused_result(entry: OutboxEntry, response: JiraResponse, message: str) -> DeliveryResult:
    """The result of a version that Jira refused: Jira shows the flag as before."""
    return DeliveryResult(entry.flag_id, entry.latest_version, True, message, response.trace_id, entry.sent_issues)
