"""What is taken out of the integration is gone from Jira, and reading a sample back proves it."""

import httpx2
import pytest

from tests.end_to_end.world import FEATURE_FLAGS, World, until

pytestmark = pytest.mark.slow

INTEGRATION = "/api/v1/jira/integration"


def with_mobile(world: World) -> None:
    home = world.call("POST", "/internal/api/v2/workspaces", json={"name": "Mobile"})["id"]
    world.call("POST", f"/internal/api/v2/environments/ws/{home}", json={"name": "Production", "production": True})
    world.call("POST", f"/internal/api/v2/trafficTypes/ws/{home}", json={"name": "user"})


def with_two_projects(world: World, flags: int = 3) -> None:
    with_mobile(world)
    world.connect_jira(Default="Production", Mobile="Production")
    for number in range(flags):
        world.new_flag(f"shop{number}", "PAY-1")
        world.new_flag(f"app{number}", "PAY-2", project="Mobile")
    world.settled()


def only_default(world: World) -> None:
    chosen = [{"project": "Default", "environment": "Production"}]
    world.call("PUT", INTEGRATION, json={"projects": chosen})


def removal(world: World) -> dict[str, object]:
    """The newest removal, once it is over."""

    def over() -> dict[str, object] | None:
        newest: dict[str, object] = world.integration()["removals"][0]
        return newest if newest["outcome"] else None

    found: dict[str, object] = until(over, "the removal is over")
    return found


def deletes(world: World, kind: str) -> int:
    return sum(one["method"] == "DELETE" and kind in one["path"] for one in world.sandbox.requests("featureflags"))


def as_an_older_flagpost_sent_them(world: World) -> None:
    """Once more with a newer version, and without the project among the properties."""
    flags = [
        {name: value for name, value in flag.items() if name not in ("provider", "issues")}
        | {"updateSequenceId": flag["updateSequenceId"] + 1}
        for flag in world.sandbox.flags().values()
    ]
    token = world.sandbox.get("/tokens")[-1]
    sent = httpx2.post(
        f"{world.sandbox.url}{FEATURE_FLAGS}0.1/bulk",
        json={"flags": flags, "properties": {"account": "the same"}},
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    )
    assert len(sent.json()["acceptedFeatureFlags"]) == len(flags)


def test_a_project_that_is_left_out_is_forgotten_in_one_request_and_proven(world_on_both: World) -> None:
    world = world_on_both
    with_two_projects(world)
    only_default(world)
    done = removal(world)
    assert (done["name"], done["flags"], done["outcome"]) == ("Mobile", 3, "gone")
    assert done["words"] == "3 flags that Jira showed before were compared again: gone."
    world.expect_equal()
    assert (deletes(world, "bulkByProperties"), deletes(world, "/flag/")) == (1, 0)


def test_flags_that_were_sent_without_the_property_are_found_and_deleted_by_id(world: World) -> None:
    with_two_projects(world)
    as_an_older_flagpost_sent_them(world)
    only_default(world)
    assert removal(world)["outcome"] == "gone"
    world.expect_equal()
    assert deletes(world, "/flag/") == 3


def test_removing_the_integration_is_proven_too_and_leaves_the_site(world_on_both: World) -> None:
    world = world_on_both
    with_two_projects(world)
    world.call("DELETE", INTEGRATION, expect=204)
    done = removal(world)
    assert (done["name"], done["flags"], done["outcome"]) == ("Everything", 6, "gone")
    until(lambda: world.integration()["state"] == "not_set_up", "the site was left")
    assert world.sandbox.flags() == {}


def test_what_is_added_again_meanwhile_stays(world: World) -> None:
    with_two_projects(world)
    world.sandbox.faults(unavailable={"count": 1, "retry_after": 1}, prefix=FEATURE_FLAGS)
    only_default(world)
    both = [{"project": name, "environment": "Production"} for name in ("Default", "Mobile")]
    world.call("PUT", INTEGRATION, json={"projects": both})
    assert removal(world)["outcome"] in ("gone", "unproven")
    world.expect_equal()
    assert len(world.sandbox.flags()) == 6


def test_what_is_added_again_once_the_sweep_is_done_stays(world: World) -> None:
    with_mobile(world)
    world.connect_with_credentials(Default="Production", Mobile="Production")
    world.sandbox.settings(oauth_refuses=["get", "delete_by_properties"])
    world.new_flag("shop", "PAY-1")
    world.new_flag("app", "PAY-2", project="Mobile")
    world.settled()
    world.sandbox.faults(prefix="/jira/featureflags/", latency_ms=1000)
    only_default(world)
    until(lambda: deletes(world, "bulkByProperties"), "the sweep has begun")
    both = [{"project": name, "environment": "Production"} for name in ("Default", "Mobile")]
    world.call("PUT", INTEGRATION, json={"projects": both})
    assert "added again" in str(removal(world)["words"])
    world.sandbox.no_faults()
    world.expect_equal()


def test_jira_that_goes_away_in_the_middle_delays_and_loses_nothing(world: World) -> None:
    with_two_projects(world)
    world.sandbox.faults(lose_answers=2, prefix=FEATURE_FLAGS)
    only_default(world)
    removal(world)
    world.expect_equal()


def test_an_app_that_is_uninstalled_takes_its_flags_with_it(world: World) -> None:
    with_two_projects(world)
    world.sandbox.faults(unavailable={"count": 50, "retry_after": 30}, prefix=FEATURE_FLAGS)
    only_default(world)
    world.sandbox.uninstall(world.installation)
    done = removal(world)
    assert (done["outcome"], "uninstalled" in str(done["words"])) == ("gone", True)
    world.call("DELETE", INTEGRATION, expect=204)
    assert world.integration()["state"] == "not_set_up"


def test_a_site_that_never_forgets_can_be_forgotten(world: World) -> None:
    with_two_projects(world, flags=1)
    world.sandbox.faults(unavailable={"count": 1000, "retry_after": 60}, prefix=FEATURE_FLAGS)
    world.call("POST", f"{INTEGRATION}/forget", expect=409)
    world.call("DELETE", INTEGRATION, expect=204)
    assert world.integration()["state"] == "leaving"
    after = world.call("POST", f"{INTEGRATION}/forget")
    assert (after["state"], after["removals"][0]["outcome"]) == ("not_set_up", "left")
