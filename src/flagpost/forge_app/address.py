"""Which addresses the app can carry: those that Atlassian's servers reach, and people's browsers too."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from flagpost.errors import InvalidInput
from flagpost.jira.client import is_loopback

_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:]+\]")
_EXAMPLE = "Example: https://flags.example.com"


def checked_address(text: str, *, allow_localhost: bool = False) -> str:
    """Flagpost's address as the manifest carries it; InvalidInput says what is wrong with any other.

    `allow_localhost` lets this very machine through, over http too: for the Jira sandbox, or Atlassian's tunnel.
    """
    parts = _parts(text.strip())
    host = (parts.hostname or "").lower()
    _refuse_extras(parts)
    if allow_localhost and is_loopback(host):
        return f"{parts.scheme}://{parts.netloc.lower()}"
    if parts.scheme != "https":
        raise _refused(f"Jira Cloud calls Flagpost over https only. {_EXAMPLE}")
    if is_loopback(host):
        raise _refused(
            f"Jira Cloud cannot reach {host}: that is your own machine, seen from there. "
            "--allow-localhost writes the app all the same, for trying it."
        )
    if _is_private(host):
        raise _refused(f"Jira Cloud cannot reach {host}: only your own network can.")
    return f"https://{parts.netloc.lower()}"


def _parts(text: str) -> SplitResult:
    """The parts of the address: a scheme, a host of plain characters, and no more than a port beside it."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _refused(f"That is not an address. {_EXAMPLE}") from None
    if parts.username is not None:
        raise _refused("The address must have no user name and no password: everybody who sees the app could read it.")
    host = parts.netloc.lower().removesuffix(f":{port}")
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        raise _refused(f"That is not an address. {_EXAMPLE}")
    return parts


def _refuse_extras(parts: SplitResult) -> None:
    """Flagpost's own links start at the root, and so do the paths that Jira resolves against the address.

    Atlassian, invokeRemote: they follow "the relative path resolution rules of the URL Standard".
    """
    if parts.query or parts.fragment:
        raise _refused("The address must have no ? and no #.")
    if parts.path not in ("", "/"):
        raise _refused(f"The address must end with the host name: Flagpost has no place below a path. {_EXAMPLE}")


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def _refused(why: str) -> InvalidInput:
    return InvalidInput(why, "base-url")
