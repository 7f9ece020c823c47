"""The sandbox's own behaviour, seen from the wire."""

import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from jira_sandbox.embedded import Sandbox
from tests.jira_sandbox.conftest import CREDENTIALS, OAUTH_FLAGS, client, flag, send

BULK, FLAG = f"{OAUTH_FLAGS}/bulk", f"{OAUTH_FLAGS}/flag"


def test_what_was_sent_can_be_read_and_deleted(api: httpx2.Client, sandbox: Sandbox) -> None:
    assert send(api, flag()).json() == {"acceptedFeatureFlags": ["f1"], "failedFeatureFlags": {}}
    assert api.get(f"{FLAG}/f1").json()["key"] == "f1"
    assert api.delete(f"{FLAG}/f1").status_code == 202
    assert api.get(f"{FLAG}/f1").status_code == 404
    assert sandbox.flags() == {}


def test_older_and_equal_versions_are_ignored(api: httpx2.Client) -> None:
    for sequence, name in ((5, "new"), (5, "equal"), (4, "older")):
        assert send(api, flag(sequence=sequence, displayName=name)).status_code == 202
    assert api.get(f"{FLAG}/f1").json()["displayName"] == "new"


def test_a_bad_flag_in_a_good_request_is_answered_on_its_own(api: httpx2.Client) -> None:
    answer = send(api, flag(), flag("f2", details=[])).json()
    assert answer["acceptedFeatureFlags"] == ["f1"]
    assert "details" in answer["failedFeatureFlags"]["f2"][0]["message"]


def test_unknown_issues_are_reported_and_a_flag_with_no_other_is_not_kept(api: httpx2.Client, sandbox: Sandbox) -> None:
    answer = send(api, flag("f1", issues=("PAY-1", "NO-1")), flag("f2", issues=("NO-2",))).json()
    assert answer["acceptedFeatureFlags"] == ["f1"]
    assert answer["unknownIssueKeys"] == ["NO-1", "NO-2"]
    assert list(sandbox.flags()) == ["f1"]


@pytest.mark.parametrize(
    "body", [[], {}, {"flags": []}, {"flags": [{}]}, {"flags": [flag(), flag()]}, {"flags": [flag()] * 101}]
)
def test_a_request_that_breaks_the_schema_is_refused(api: httpx2.Client, sandbox: Sandbox, body: Any) -> None:
    answer = api.post(BULK, json=body)
    assert answer.status_code == 400
    assert answer.json()[0]["message"]
    assert sandbox.flags() == {}


def test_deleting_by_properties(api: httpx2.Client, sandbox: Sandbox) -> None:
    send(api, flag("f1"), properties={"account": "a"})
    send(api, flag("f2"), properties={"account": "b"})
    path = f"{OAUTH_FLAGS}/bulkByProperties"
    assert api.delete(path).status_code == 400
    assert api.delete(path, params={"account": "a"}).status_code == 202
    assert list(sandbox.flags()) == ["f2"]


def test_another_cloud_id_is_not_found(api: httpx2.Client) -> None:
    send(api, flag())
    assert api.get("/jira/featureflags/0.1/cloud/another-cloud/flag/f1").status_code == 404


@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Basic abc"])
def test_whoever_has_no_token_gets_401(sandbox: Sandbox, token: str) -> None:
    answer = httpx2.post(
        f"{sandbox.url}{BULK}", json={"flags": [flag()]}, headers={"Authorization": token}, trust_env=False
    )
    assert answer.status_code == 401


def test_a_lost_answer_did_the_work_and_a_cut_connection_did_not(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.faults(lose_answers=1)
    with pytest.raises(httpx2.TransportError):
        send(api, flag("f1"))
    sandbox.faults(drop_connections=1)
    with pytest.raises(httpx2.TransportError):
        send(api, flag("f2"))
    assert list(sandbox.flags()) == ["f1"]
    assert send(api, flag("f3")).status_code == 202


def test_a_caller_that_dies_while_it_sends_is_no_breach(sandbox: Sandbox) -> None:
    head = f"POST {BULK} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    with socket.create_connection((urlsplit(sandbox.url).hostname, urlsplit(sandbox.url).port)) as line:
        line.sendall(head.encode() + b'{"flags": [')
        time.sleep(0.1)
    time.sleep(0.1)
    assert sandbox.breaches() == []
    assert sandbox.requests(BULK) == []


def test_what_flagpost_sends_is_in_the_log_and_no_secret_is(api: httpx2.Client, sandbox: Sandbox) -> None:
    send(api, flag())
    logged = sandbox.requests()
    assert [one["path"] for one in logged] == ["/oauth/token", BULK]
    assert "sandbox-secret" not in json.dumps(logged)


def test_a_wrong_client_secret_is_refused(sandbox: Sandbox) -> None:
    with client(sandbox) as stranger:
        refused = stranger.post("/oauth/token", json={**CREDENTIALS, "client_secret": "wrong"})
        assert (refused.status_code, refused.json()["error"]) == (401, "access_denied")
        assert stranger.post("/oauth/token", json={**CREDENTIALS, "grant_type": "password"}).status_code == 400
