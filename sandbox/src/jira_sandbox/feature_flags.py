"""Atlassian's Feature Flags API 0.1: bulk, get, delete, delete by properties, for callers with a token."""

import asyncio
import hashlib
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jira_sandbox.state import StoredFlag, World
from jira_sandbox.validation import flag_problems, issue_refs, request_problems


def routes(world: World) -> list[Route]:
    """Both ways there: of an installed app, and of OAuth credentials."""
    api = _Api(world)
    found = []
    for base in (
        "/ex/jira/{cloud}/rest/featureflags/0.1",
        "/jira/featureflags/0.1/cloud/{cloud}",
    ):
        found += [
            Route(f"{base}/bulk", api.bulk, methods=["POST"]),
            Route(f"{base}/flag/{{id:path}}", api.get, methods=["GET"]),
            Route(f"{base}/flag/{{id:path}}", api.delete, methods=["DELETE"]),
            Route(f"{base}/bulkByProperties", api.delete_by_properties, methods=["DELETE"]),
        ]
    return found


def _messages(*messages: str, status: int) -> JSONResponse:
    trace = hashlib.sha256(" ".join(messages).encode()).hexdigest()[:16]
    return JSONResponse([{"message": message, "errorTraceId": trace} for message in messages], status)


class _Api:
    def __init__(self, world: World) -> None:
        self._world = world

    async def bulk(self, request: Request) -> Response:
        raw = await request.body()
        refused, provider = self._who(request)
        if refused:
            return refused
        if len(raw) > self._world.settings.max_body_bytes:
            return _messages("Data is too large. Submit fewer Feature Flags in each payload.", status=413)
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        if problems := request_problems(body):
            self._world.breach("malformed request", problems=problems)
            return _messages(*problems, status=400)
        with self._world.lock:
            return JSONResponse(self._store_all(provider, body), 202)

    def _who(self, request: Request, operation: str = "bulk") -> tuple[Response | None, str]:
        """Who calls, or why they may not.

        A token opens only the way it is for: 401, as for one that lacks the scope. An API token that the gateway knows
        opens none: 403. (Both are inferred: Atlassian lists the kinds of token for each way, not these answers.)
        """
        world, settings = self._world, self._world.settings
        by_oauth = request.url.path.startswith("/jira/")
        proof = request.headers.get("authorization", "")
        provider = world.provider_of(proof)
        if world.accepts_api_token(proof, at_gateway=True):
            return Response(status_code=403), ""
        if world.faults.unauthorized or provider is None or provider.startswith("oauth:") != by_oauth:
            return Response(status_code=401), ""
        if world.faults.forbidden or (by_oauth and not settings.oauth_flags_permitted):
            return Response(status_code=403), ""
        if request.path_params["cloud"] != world.cloud_id:
            return Response(status_code=404), ""
        if by_oauth and operation in settings.oauth_refuses:
            return Response(status_code=settings.oauth_refusal_status), ""
        return None, provider

    def _store_all(self, provider: str, body: dict[str, Any]) -> dict[str, Any]:
        accepted: list[str] = []
        failed: dict[str, Any] = {}
        unknown: list[str] = []
        for flag in body["flags"]:
            problems = flag_problems(flag) or self._rejections(flag)
            if problems:
                failed[flag["id"]] = [{"message": message} for message in problems]
                continue
            if self._store(provider, flag, body.get("properties") or {}, unknown):
                accepted.append(flag["id"])
        answer: dict[str, Any] = {"acceptedFeatureFlags": accepted, "failedFeatureFlags": failed}
        if unknown:
            names = list(dict.fromkeys(unknown))
            answer["unknownIssueKeys"] = [name for name in names if not name.isdigit()]
            answer["unknownAssociations"] = [{"associationType": "issueIdOrKeys", "values": names}]
        if failed:
            self._world.breach("malformed flag", flags=failed)
        return answer

    def _rejections(self, flag: dict[str, Any]) -> list[str]:
        rejected = self._world.faults.reject_flags
        return [
            one.get("message", "Rejected")
            for one in rejected
            if flag["id"] == one.get("id") or flag["key"] == one.get("key")
        ]

    def _store(self, provider: str, flag: dict[str, Any], properties: dict[str, str], unknown: list[str]) -> bool:
        """Whether Jira says it accepted the flag; one with only unknown issues is not persisted."""
        found = {ref: self._world.find_issue(ref) for ref in issue_refs(flag)}
        missing = [ref for ref, issue in found.items() if issue is None]
        unknown += missing
        if len(missing) == len(found):
            return False
        self._keep(provider, flag, properties, [issue.id for issue in found.values() if issue])
        return True

    def _keep(self, provider: str, flag: dict[str, Any], properties: dict[str, str], issue_ids: list[str]) -> None:
        world = self._world
        key = (provider, flag["id"])
        old = world.flags.get(key)
        sequence = flag["updateSequenceId"]
        history = world.history.setdefault(flag["id"], [])
        if history and sequence < history[-1]:
            world.breach("sequence went back", flag=flag["id"], sent=sequence, after=history[-1])
        history.append(sequence)
        if old and sequence <= old.data["updateSequenceId"]:
            return  # older and equal versions are ignored, and nothing says so
        hashed = {name: hashlib.sha256(value.encode()).hexdigest() for name, value in properties.items()}
        ready = world.clock() + world.settings.apply_delay_ms / 1000
        world.flags[key] = StoredFlag(provider, flag, hashed, issue_ids, ready)

    async def get(self, request: Request) -> Response:
        refused, provider = self._who(request, "get")
        if refused:
            return refused
        stored = self._world.flags.get((provider, request.path_params["id"]))
        if stored is None or stored.ready_at > self._world.clock():
            return Response(status_code=404)
        return JSONResponse(stored.data)

    async def delete(self, request: Request) -> Response:
        refused, provider = self._who(request, "delete")
        if refused:
            return refused
        key = (provider, request.path_params["id"])
        self._world.late_deletes.append(key)
        delay = self._world.settings.delete_delay_ms / 1000
        if delay:
            asyncio.get_running_loop().call_later(delay, self._world.finish_delete, key)
        else:
            self._world.finish_delete(key)
        return Response(status_code=202)

    async def delete_by_properties(self, request: Request) -> Response:
        refused, provider = self._who(request, "delete_by_properties")
        if refused:
            return refused
        wanted = {k: hashlib.sha256(v.encode()).hexdigest() for k, v in request.query_params.items() if k[0] != "_"}
        if not wanted:
            return _messages("The request is missing at least one Property param", status=400)
        with self._world.lock:
            gone = [
                key
                for key, flag in self._world.flags.items()
                if flag.provider == provider and wanted.items() <= flag.properties.items()
            ]
            for key in gone:
                del self._world.flags[key]
        return Response(status_code=202)
