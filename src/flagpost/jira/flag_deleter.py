"""Deleting single flags from Jira, and what Flagpost does where Jira refuses to delete them."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from flagpost.jira import removal
from flagpost.jira.flags_api import FlagsApi
from flagpost.jira.payload import bulk_request, tombstone_payload
from flagpost.jira.response import JiraResponse
from flagpost.jira.result_recorder import ResultRecorder
from flagpost.jira.site_access import OAUTH
from flagpost.jira.submission import REFUSED_AS_A_WHOLE, RequestFailed, refused_result, submit
from flagpost.store.db import Database
from flagpost.store.jira import credentials
from flagpost.store.jira.delivery_log import DELETED, TOMBSTONE, Delivered
from flagpost.store.jira.delivery_results import DeliveryResult
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.outbox import OutboxEntry

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FlagDeleter:
    """Deletes flags that Jira holds and must not show any more.

    Whether OAuth credentials may delete is not documented. Where Jira refuses, the flag is sent once more, as off and
    disconnected (a tombstone), and Jira's message is kept with the flag and with the credentials. Flagpost requests no
    further delete until a resync, or until an admin enters the credentials again.
    """

    db: Database
    recorder: ResultRecorder
    clock: Callable[[], int]
    public_url: str

    def delete(self, api: FlagsApi, entry: OutboxEntry) -> None:
        """Delete one flag, and record Jira's answer. Raises RequestFailed where Jira does not answer."""
        if known := self.known_refusal(api.site):
            self._send_tombstone(api, entry, known)
            return
        with_credentials = api.site.auth_method == OAUTH
        response = api.delete(entry.flag_id)
        if response.ok or (response.status == 404 and not with_credentials):
            gone = DeliveryResult(entry.flag_id, entry.latest_version, False, trace_id=response.trace_id)
            self.recorder.record(api.site, [Delivered(entry, gone, DELETED)])
        elif response.status == 400:
            refused = refused_result(entry, response, f"Jira would not delete it: {response.error_message()}")
            self.recorder.record(api.site, [Delivered(entry, refused, DELETED)])
        elif with_credentials and response.status in (401, 403, 404, 405):
            self._send_tombstone(api, entry, self._note_refusal(api.site, response))
        else:
            raise RequestFailed(response, entry)

    def known_refusal(self, site: Site) -> str | None:
        """Jira's message where it refused to delete with the site's OAuth credentials; None where it did not."""
        if site.auth_method != OAUTH:
            return None
        with self.db.read() as tx:
            given = credentials.of_account(tx, site.account_id)
        return given.delete_refusal if given else None

    def _note_refusal(self, site: Site, response: JiraResponse) -> str:
        message = f"Jira does not let OAuth credentials delete flags ({response.status})."
        with self.db.write() as tx:
            if given := credentials.of_account(tx, site.account_id):
                credentials.update(tx, given.id, delete_refusal=message)
        log.warning("jira.delete_refused", site=site.site_url, status=response.status)
        return message

    def _send_tombstone(self, api: FlagsApi, entry: OutboxEntry, refusal: str) -> None:
        """Show a flag that cannot be deleted as off and disconnected, on the issues that it was last sent with."""
        issues = entry.sent_issues
        if not issues:
            shown = DeliveryResult(entry.flag_id, entry.latest_version, True, f"{refusal} It may still be shown.")
            self.recorder.record(api.site, [Delivered(entry, shown, DELETED)])
            return
        version, now = entry.latest_version, self.clock()
        flag = tombstone_payload(entry.flag_id, entry.flag_name, version, issues, self.public_url, now)
        body = bulk_request([flag], removal.properties(api.site.account_id, entry.project_id))
        response = submit(api, body, [issues])
        if response.ok:
            message = f"{refusal} Its issues show it as off, “Disconnected in Flagpost”."
        elif response.status in REFUSED_AS_A_WHOLE:
            message = f"{refusal} It may still be shown: {response.error_message()}"
        else:
            raise RequestFailed(response, entry)
        self.recorder.record(api.site, [Delivered(entry, refused_result(entry, response, message), TOMBSTONE)])
