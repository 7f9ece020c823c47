"""What a delivery does besides sending flags: removals, the end of a resync, and deleting a site that is left."""

from collections.abc import Callable
from dataclasses import dataclass

from flagpost.jira.flags_api import FlagsApi
from flagpost.jira.removal import Remover
from flagpost.store.accounts import accounts
from flagpost.store.db import Database, Transaction
from flagpost.store.jira import credentials, integrations, outbox, removals
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.removals import Removal


@dataclass(frozen=True, slots=True)
class SiteTasks:
    """Carries out removals; ends resyncs, and deletes sites whose integration was removed.

    `delete_refusal`: Jira's message where it refuses to delete single flags of a site.
    """

    db: Database
    remover: Remover
    delete_refusal: Callable[[Site], str | None]
    clock: Callable[[], int]

    def sweep_removals(self, api: FlagsApi) -> None:
        """Begin the removals that were requested since the last delivery."""
        for one in self._open_removals(api.site):
            if one.swept_at is None:
                self.remover.sweep(api, one)

    def finish(self, api: FlagsApi) -> None:
        """End a delivery that has sent everything that may go now."""
        site = api.site
        with self.db.read() as tx:
            all_delivered = not outbox.count_pending(tx, site.account_id)
            leaving = integrations.find(tx, site.account_id) is None
        for one in self._open_removals(site):
            if one.swept_at is not None and all_delivered:
                self.remover.conclude(api, one, self.delete_refusal(site))
        if leaving or site.resync_finished_at is None or site.resync_requested_at is not None:
            self._finish_site(site)  # after most changes there is nothing to do, and no write transaction is needed

    def _finish_site(self, begun_with: Site) -> None:
        with self.db.write() as tx:
            accounts.lock(tx, begun_with.account_id)  # no admin sets an integration up while its site is deleted
            site = integrations.lock_site(tx, begun_with.account_id)
            if site is None or _has_more(tx, site):
                return
            if integrations.find(tx, site.account_id) is None:
                credentials.delete(tx, site.account_id)
                integrations.delete_site(tx, site.id)
            elif site.resync_finished_at is None:
                integrations.update_site(tx, site.id, resync_finished_at=self.clock())

    def _open_removals(self, site: Site) -> list[Removal]:
        """The removals that still run. One whose flags are to be shown again ends here."""
        with self.db.read() as tx:
            running = removals.unfinished(tx, site.account_id)
            chosen = integrations.chosen_projects(tx, site.account_id) if running else ()
        covered = {one.project.id for one in chosen}
        again = [one for one in running if (covered if one.project_id is None else one.project_id in covered)]
        for one in again:
            self.remover.supersede(one)
        return [one for one in running if one not in again]


def _has_more(tx: Transaction, site: Site) -> bool:
    more = outbox.count_pending(tx, site.account_id) or removals.unfinished(tx, site.account_id)
    return bool(more) or site.resync_requested_at is not None
