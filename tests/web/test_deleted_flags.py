"""Applications stop getting a flag once it is deleted: Split's SDKs by `splitChanges`, OpenFeature's by OFREP."""

from typing import Any

import httpx2

from tests.end_to_end.world import until

BODY = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "on", "size": 100}],
}
CONTEXT = {"context": {"targetingKey": "ann"}}


def create_sdk_key(api: httpx2.Client, workspace: str) -> str:
    places = api.get(f"/environments/ws/{workspace}").json()
    place = next(one["id"] for one in places if one["name"] == "Production")
    body = {
        "name": "application",
        "apiKeyType": "server_side",
        "workspace": {"id": workspace, "type": "workspace"},
        "environments": [{"id": place, "type": "environment"}],
    }
    return str(api.post("/apiKeys", json=body).json()["key"])


def test_applications_get_a_deleted_flag_no_more(server: str, raw: httpx2.Client) -> None:
    workspace = raw.get("/workspaces").json()["objects"][0]["id"]
    for name in ("pay", "other"):
        raw.post(f"/splits/ws/{workspace}/trafficTypes/user", json={"name": name}).raise_for_status()
        raw.post(f"/splits/ws/{workspace}/{name}/environments/Production", json=BODY).raise_for_status()
    headers = {"Authorization": f"Bearer {create_sdk_key(raw, workspace)}"}
    with httpx2.Client(base_url=server, headers=headers, timeout=30, trust_env=False) as application:

        def changes(since: int) -> dict[str, Any]:
            answer: dict[str, Any] = application.get("/sdk/splitChanges", params={"s": "1.3", "since": since}).json()[
                "ff"
            ]
            return answer

        def evaluate(flag: str) -> httpx2.Response:
            return application.post(f"/ofrep/v1/evaluate/flags/{flag}", json=CONTEXT)

        first = until(lambda: len((found := changes(-1))["d"]) == 2 and found, "both flags arrive")
        assert evaluate("pay").json()["value"] is True
        raw.delete(f"/splits/ws/{workspace}/pay/environments/Production").raise_for_status()
        raw.delete(f"/splits/ws/{workspace}/pay").raise_for_status()
        gone = until(lambda: changes(first["t"])["d"], "the deletion arrives")
        assert [(flag["name"], flag["status"], flag["killed"]) for flag in gone] == [("pay", "ARCHIVED", True)]
        assert [flag["name"] for flag in changes(-1)["d"]] == ["other"]
        assert (evaluate("pay").status_code, evaluate("pay").json()["errorCode"]) == (404, "FLAG_NOT_FOUND")
        everything = application.post("/ofrep/v1/evaluate/flags", json=CONTEXT).json()["flags"]
        assert [flag["key"] for flag in everything] == ["other"]
