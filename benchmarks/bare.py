"""The floor for responses to applications: a Starlette route that sends the same bytes."""

import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

answers = {file.name: file.read_bytes() for file in Path(sys.argv[1]).iterdir()}


async def answer(request: Request) -> Response:
    await request.body()
    return Response(answers[request.path_params["name"]], media_type="application/json")


app = Starlette(routes=[Route("/{name}", answer, methods=["GET", "POST"])])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="critical", access_log=False)
