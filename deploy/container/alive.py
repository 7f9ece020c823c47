"""The container's health check: whether the process in it answers, be it one that serves or a worker."""

import os
import sys
import urllib.request


def answers(port: str) -> bool:
    """Whether something answers at this port of the container that it is well."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


sys.exit(not any(answers(os.environ[name]) for name in ("FLAGPOST_PORT", "FLAGPOST_WORKER_PORT") if name in os.environ))
