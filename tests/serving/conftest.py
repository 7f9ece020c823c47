"""A project with flags, and the sums of what was served."""

from dataclasses import dataclass

import pytest

from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.projects import environments, projects
from flagpost.flags.definition_json import parse
from flagpost.store.flags import impressions
from flagpost.store.records import Flag
from tests.conftest import AccountFixture

BODY = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "on", "size": 100}],
}


@dataclass(frozen=True)
class Shop:
    """The project *Shop* and its two environments; flags are set up in production."""

    ctx: Context
    account: AccountFixture
    production: str
    staging: str

    def add_flag(self, name: str) -> Flag:
        flag = flags.create_flag(self.ctx, self.account.admin, "Shop", name=name, traffic_type="user")
        definitions.create_definition(self.ctx, self.account.admin, "Shop", name, self.production, Draft(parse(BODY)))
        return flag

    def sums(self, flag: Flag, place: str | None = None) -> dict[str, int]:
        """How often each treatment was served."""
        found: dict[str, int] = {}
        with self.ctx.db.read() as tx:
            for one in impressions.sums(tx, place or self.production, flag.id, 0, 1 << 60, impressions.HOUR_MS):
                found[one.treatment] = found.get(one.treatment, 0) + one.count
        return found


@pytest.fixture
def shop(ctx: Context, account: AccountFixture) -> Shop:
    projects.create_project(ctx, account.admin, "Shop")
    places = {one.production: one.id for one in environments.list_environments(ctx, account.admin, "Shop")}
    return Shop(ctx, account, places[True], places[False])
