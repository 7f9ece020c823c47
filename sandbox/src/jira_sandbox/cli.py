"""`jira-sandbox`: start a Jira Cloud to try and test against."""

import socket
from typing import Annotated

import typer
import uvicorn

from jira_sandbox.app import create_app

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes any free one.")] = 8081,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Run a stand-in for Jira Cloud. What it holds is gone when it stops."""
    listening = socket.socket(proto=socket.IPPROTO_TCP)  # else asyncio leaves out TCP_NODELAY
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise SystemExit(f"jira-sandbox: cannot listen on {host}:{port}: {error.strerror}") from None
    url = f"http://{host}:{listening.getsockname()[1]}"
    print(f"The Jira sandbox is at {url} (control panel: {url}/sandbox)", flush=True)
    config = uvicorn.Config(create_app(url), log_level="critical", access_log=False, date_header=False)
    uvicorn.Server(config).run(sockets=[listening])


def main() -> None:
    """Run the command line."""
    app()
