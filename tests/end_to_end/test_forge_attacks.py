"""Calls that claim to come from the app in Jira: every token that proves nothing is refused, and changes nothing."""

import base64
import hmac
import json
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.end_to_end.world import World


@pytest.fixture
def ready(world: World) -> tuple[World, str]:
    """Installed, with a token at hand, not connected."""
    token = world.set_up()
    world.install()
    return world, token


WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "ari:cloud:ecosystem::app/00000000-0000-0000-0000-000000000000"},
    "no audience": {"aud": None},
    "another issuer": {"iss": "forge/other"},
    "no issuer": {"iss": None},
    "expired": {"exp": 1_700_000_000},
    "no expiry": {"exp": None},
    "expiry that is no number": {"exp": "soon"},
    "not yet valid": {"nbf": 4_000_000_000},
    "issued in the future": {"iat": 4_000_000_000},
    "no token id": {"jti": None},
    "a token id of another kind": {"jti": {"a": 1}},
    "a very long token id": {"jti": "x" * 300},
    "no app": {"app": None},
    "an app of another kind": {"app": "yes"},
    "no installation": {"app": {"apiBaseUrl": "http://127.0.0.1/ex/jira/x"}},
}


def test_wrong_claims_are_refused(ready: tuple[World, str]) -> None:
    world, token = ready
    for what, claims in WRONG_CLAIMS.items():
        answer = world.sandbox.call(world.installation, endpoint="configure", body={"token": token}, claims=claims)
        assert answer["status"] == 401, (what, answer)
    assert world.integration()["state"] == "waiting_for_jira"


WRONG_HEADERS: dict[str, dict[str, Any]] = {
    "no key id": {"kid": None},
    "an unknown key id": {"kid": "forge/unknown"},
    "a path as key id": {"kid": "../../etc/passwd"},
    "an address as key id": {"kid": "http://127.0.0.1/keys.json"},
    "a very long key id": {"kid": "x" * 5000},
    "a key set of the sender's": {"jku": "http://127.0.0.1:1/jwks.json", "kid": "forge/mine"},
}


def test_strange_headers_are_refused(ready: tuple[World, str]) -> None:
    world, token = ready
    for what, header in WRONG_HEADERS.items():
        asked = {"endpoint": "configure", "body": {"token": token}, "header": header, "by_stranger": True}
        answer = world.sandbox.call(world.installation, **asked)
        assert answer["status"] == 401, (what, answer)


def test_another_key_under_the_true_keys_id_is_refused(ready: tuple[World, str]) -> None:
    world, token = ready
    sent = world.sandbox.call(world.installation, endpoint="configure", body={"token": token}, by_stranger=True)
    assert sent["status"] == 401


def good_parts(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and claims of a token that would be believed, were it not used already."""
    sent = world.sandbox.call(world.installation, endpoint="configure", method="GET")
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in sent["token"].split(".")[:2])
    return header, {**claims, "jti": "another-one"}


def configure(world: World, proof: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {proof}"}
    return httpx2.post(
        f"{world.url}/forge/configure", headers=headers, json={"token": token}, trust_env=False
    ).status_code


def b64(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_unsigned_and_otherwise_signed_tokens_are_refused(ready: tuple[World, str]) -> None:
    world, token = ready
    header, claims = good_parts(world)
    public = httpx2.get(f"{world.sandbox.url}/.well-known/jwks.json", trust_env=False).json()["keys"][0]
    pem = RSAKey.import_key(public).as_pem(private=False)
    signed = f"{b64({**header, 'alg': 'HS256'})}.{b64(claims)}"
    as_secret = base64.urlsafe_b64encode(hmac.digest(pem, signed.encode(), "sha256")).rstrip(b"=").decode()
    forged = [
        f"{b64({**header, 'alg': 'none'})}.{b64(claims)}.",
        f"{b64(header)}.{b64(claims)}.",
        f"{b64(header)}.{b64(claims)}.AAAA",
        f"{signed}.{as_secret}",
        jwt.encode({**header, "alg": "PS256"}, claims, RSAKey.generate_key(2048), algorithms=["PS256"]),
        "not.a.token",
        "x" * 20_000,
        ".",
    ]
    assert [configure(world, proof, token) for proof in forged] == [401] * len(forged)
    assert world.integration()["state"] == "waiting_for_jira"


def test_a_token_is_believed_once(ready: tuple[World, str]) -> None:
    world, token = ready
    sent = world.sandbox.call(world.installation, endpoint="configure", body={"token": token})
    assert sent["status"] == 200
    assert configure(world, sent["token"], token) == 401
    changed = sent["token"][:-4] + ("AAAA" if not sent["token"].endswith("AAAA") else "BBBB")
    assert configure(world, changed, token) == 401


def test_a_new_key_of_atlassians_is_fetched(ready: tuple[World, str]) -> None:
    world, token = ready
    world.sandbox.rotate_keys()
    assert world.sandbox.configure(world.installation, token)[0] == 200


def test_flags_go_nowhere_but_to_the_configured_api(ready: tuple[World, str]) -> None:
    world, token = ready
    stolen = {"app": {"installationId": "elsewhere", "apiBaseUrl": "https://evil.example.com/ex/jira/x"}}
    sent = world.sandbox.call(world.installation, endpoint="configure", body={"token": token}, claims=stolen)
    assert sent["status"] == 200
    world.new_flag("pay", "PAY-1")
    assert all("evil" not in str(one) for one in world.sandbox.requests())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"token": 5}', b'{"token": "' + b"x" * 600_000 + b'"}'])
def test_a_malformed_body_is_refused(ready: tuple[World, str], body: bytes) -> None:
    world, _ = ready
    header, claims = good_parts(world)
    assert header["alg"] == "RS256"
    del claims
    answer = httpx2.post(f"{world.url}/forge/configure", content=body, trust_env=False)
    assert answer.status_code in (400, 401, 413)


def test_events_may_come_twice(connected: World) -> None:
    connected.new_flag("pay", "PAY-1")
    connected.settled()
    for _ in range(2):
        sent = connected.sandbox.call(
            connected.installation, endpoint="installed", body={"id": "x", "retryContext": {"retryCount": 1}}
        )
        assert sent["status"] == 200
    connected.expect_equal()
