"""Calls that claim to come from the app in Jira: every token that proves nothing is refused, and changes nothing."""

import base64
import hmac
import itertools
import json
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from jira_sandbox.state import CLOUD_ID
from tests.end_to_end.panel import ask, done, refused
from tests.end_to_end.world import World

pytestmark = pytest.mark.slow


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


ROUTES = ("configure", "installed", "events", "token", "uninstall", "panel")


def test_a_pages_token_opens_the_routes_of_that_page_only(connected: World) -> None:
    """Anybody who sees an issue holds tokens of its panel: they must not configure, tell events, or uninstall."""
    connected.new_flag("pay", "PAY-1")
    own = {"configure-integration": {"configure"}, "feature-flags": {"panel"}}
    for page, route in itertools.product(own, ROUTES):
        asked = {"endpoint": "panel", "page": page, "path": f"/forge/{route}"}
        method = "GET" if route in ("panel", "configure") else "POST"
        sent = connected.sandbox.call(connected.installation, **asked, method=method, body={})
        assert (sent["status"] == 401) is (route not in own[page]), (page, route, sent)
    connected.expect_equal()
    assert connected.integration()["state"] == "connected"


def test_an_events_token_opens_no_page(connected: World) -> None:
    for route in ("configure", "panel"):
        sent = connected.sandbox.call(connected.installation, endpoint="events", path=f"/forge/{route}", method="GET")
        assert sent["status"] == 401, sent
    assert connected.sandbox.call(connected.installation, endpoint="events", body={})["status"] == 200


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


# The panel on an issue --------------------------------------------------------------------------------------------


@pytest.fixture
def flagged(connected: World) -> World:
    """A flag on PAY-1, and one on WEB-1."""
    connected.new_flag("pay", "PAY-1")
    connected.new_flag("web", "WEB-1")
    return connected


def names(shown: dict[str, Any]) -> list[str]:
    return [flag["name"] for flag in shown["flags"]]


def test_an_invocation_of_another_site_or_installation_sees_nothing(flagged: World) -> None:
    base = f"{flagged.sandbox.url}/ex/jira"
    elsewhere = {"app": {"installationId": "elsewhere", "apiBaseUrl": f"{base}/{CLOUD_ID}"}}
    assert done(flagged, claims=elsewhere)["status"] == "not_connected"
    assert "not connected" in refused(flagged, "/link", {"code": "ABCDE-FGHJK"}, 409, claims=elsewhere)
    other = {"app": {"installationId": flagged.installation, "apiBaseUrl": f"{base}/other"}}
    here = {"cloudId": "other", "moduleKey": "feature-flags", "extension": {"issue": {"id": "10001", "key": "PAY-1"}}}
    shown = done(flagged, claims={**other, "context": here})
    assert (shown["status"], shown["flags"]) == ("not_connected", [])


STRANGE_PEOPLE: list[Any] = [None, "", 5, {"id": "557058:eli"}, "x" * 129, "557058:eli\0", "557058: eli"]


def test_a_panel_of_nobody_is_refused(flagged: World) -> None:
    for person in STRANGE_PEOPLE:
        assert "names no issue, or no Atlassian account" in refused(flagged, "", None, 400, person=person)


STRANGE_ISSUES: list[Any] = [
    None,
    "PAY-1",
    {},
    {"id": "10001"},
    {"key": "PAY-1"},
    {"id": 10001, "key": "PAY-1"},
    {"id": "10001", "key": ["PAY-1"]},
    {"id": "1" * 41, "key": "PAY-1"},
    {"id": "-1", "key": "PAY-1"},
    {"id": "١", "key": "PAY-1"},
    {"id": "10001", "key": "PAY-1\0"},
    {"id": "10001", "key": "PAY-1' OR 1=1 --"},
    {"id": "10001", "key": "P" * 300 + "-1"},
]


def test_a_panel_of_no_issue_is_refused(flagged: World) -> None:
    for extension in ("strange", {}, *({"issue": issue} for issue in STRANGE_ISSUES)):
        assert "names no issue, or no Atlassian account" in refused(flagged, "", None, 400, extension=extension)


def test_what_a_body_says_of_issue_and_person_is_ignored(flagged: World) -> None:
    lies = {"issue": {"id": "10002", "key": "WEB-1"}, "issueKey": "WEB-1", "principal": "557058:ada", "q": ""}
    assert names(done(flagged, "/unlink", lies)) == ["pay"]
    assert "Link your Flagpost account" in refused(flagged, "/search", lies, 403)
    flag = flagged.in_jira("web") or flagged.on_issue("web")
    for what in ("/connect", "/disconnect"):
        refused(flagged, what, {**lies, "flag": flag["id"]}, 403)
    flagged.expect_equal()


def test_a_panels_token_is_believed_once_for_looking_too(flagged: World) -> None:
    sent = ask(flagged)
    again: dict[str, Any] = {"headers": {"Authorization": f"Bearer {sent['token']}"}, "trust_env": False}
    assert httpx2.get(f"{flagged.url}/forge/panel", **again).status_code == 401
    for what, body in (("search", {"q": ""}), ("link", {"code": "x"}), ("unlink", {})):
        assert httpx2.post(f"{flagged.url}/forge/panel/{what}", json=body, **again).status_code == 401


def test_over_long_and_strange_values_are_refused_by_name(flagged: World) -> None:
    for what, body in (("link", {"code": "A" * 65}), ("search", {"q": "x" * 256}), ("search", {"q": "a\0"})):
        sent = ask(flagged, f"/{what}", body)
        assert (sent["status"], sent["body"]["error"]["problems"][0]["path"]) == (400, next(iter(body)))
    for flag in ("x" * 65, "../pay", "a\0", "%"):
        assert ask(flagged, "/connect", {"flag": flag})["status"] == 400


def test_guessing_codes_comes_to_an_end(flagged: World) -> None:
    guesses = [ask(flagged, "/link", {"code": f"AAAAA-{number:05}"})["status"] for number in range(11)]
    assert guesses == [400] * 10 + [429]


POSTS = ("configure", "installed", "events", "token", "uninstall", "panel", "panel/search", "panel/link", "nowhere")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused_however_it_is_sent(connected: World, chunked: bool) -> None:
    sizes = {f"/forge/{path}": 600_000 for path in POSTS} | {"/webhooks/jira/x": 6_000_000}
    for path, size in sizes.items():
        large = b'{"token": "' + b"x" * size + b'"}'
        content = iter([large[:300_000], large[300_000:]]) if chunked else large
        headers = {"Content-Type": "application/json"}
        answer = httpx2.post(f"{connected.url}{path}", content=content, headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()) == (413, {"error": {"message": "The request is too large."}}), path
    assert connected.integration()["state"] == "connected"


def test_a_body_that_is_no_object_is_refused(connected: World) -> None:
    bodies = (b"", b"{", b"[]", b"null", b'"x"')
    for path, body in itertools.product(("events", "panel/search", "configure"), bodies):
        headers = {"Content-Type": "application/json"}
        answer = httpx2.post(f"{connected.url}/forge/{path}", content=body, headers=headers, trust_env=False)
        assert answer.status_code in (400, 401), (path, answer.text)
        assert answer.json()["error"]["message"]
