"""Checks the address in the app's manifest: Atlassian's servers and browsers have to reach it."""

import ipaddress
import re
from urllib.parse import SplitResult

from flagpost.errors import InvalidInput
from flagpost.jira.hosts import is_loopback, split_address

_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a host whose last label is one is an IPv4 address (URL Standard)
_PRIVATE_SUFFIXES = (".local", ".internal", ".localdomain", ".home.arpa", ".lan", ".intranet", ".test", ".invalid")
_EXAMPLE = "Example: https://flags.example.com"
_FOR_TRYING = "--allow-localhost writes the app all the same, to try it."


def checked_address(text: str, *, allow_localhost: bool = False) -> str:
    """Flagpost's address in the form of the manifest. InvalidInput says what is wrong with it.

    `allow_localhost` accepts addresses of this machine, over http too, and names that only the own network knows: for
    the Jira sandbox, or Atlassian's tunnel.
    """
    parts = _parts(text.strip())
    host = (parts.hostname or "").lower()
    _refuse_extras(parts)
    own = is_loopback(host) or host.endswith(".localhost")
    if allow_localhost and own:
        return f"{parts.scheme}://{parts.netloc.lower()}"
    if parts.scheme != "https":
        raise _refused(f"Jira Cloud calls Flagpost over https only. {_EXAMPLE}")
    if own:
        raise _refused(f"Jira Cloud cannot reach {host}: to Atlassian that is another machine. {_FOR_TRYING}")
    if not _is_ip_address(host):
        _refuse_unknown_names(host, allow_localhost)
    elif not ipaddress.ip_address(host).is_global:
        raise _refused(f"Jira Cloud cannot reach {host}: only your own network can.")
    return f"https://{parts.netloc.lower()}"


def _parts(text: str) -> SplitResult:
    """The parts of the address: a scheme, a host of plain characters, and at most a port."""
    try:
        parts = split_address(text)
    except ValueError:
        raise _refused(f"That is not an address. {_EXAMPLE}") from None
    if parts.username is not None:
        raise _refused("The address must have no user name and no password: every user of the app could read them.")
    return parts


def _refuse_extras(parts: SplitResult) -> None:
    """Refuse a path, a query and a fragment: Flagpost's links and the paths that Jira resolves start at the root.

    Atlassian, invokeRemote: the paths follow "the relative path resolution rules of the URL Standard".
    """
    if parts.query or parts.fragment:
        raise _refused("The address must have no ? and no #.")
    if parts.path not in ("", "/"):
        raise _refused(f"The address must end with the host name: Flagpost cannot be served below a path. {_EXAMPLE}")


def _refuse_unknown_names(host: str, allow_localhost: bool) -> None:
    """Refuse names that Atlassian or browsers do not know, or read in another way."""
    last = host.rpartition(".")[2]
    if _NUMBER.fullmatch(last):
        raise _refused(f"{host} is read as a number, and means another host. Write a name. {_EXAMPLE}")
    if allow_localhost:
        return
    if "." not in host:
        raise _refused(
            f"Jira Cloud cannot reach {host}: only your own network knows a name without a dot. {_FOR_TRYING}"
        )
    if host.endswith(_PRIVATE_SUFFIXES):
        raise _refused(f"Jira Cloud cannot reach {host}: only your own network knows names in .{last}. {_FOR_TRYING}")


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _refused(why: str) -> InvalidInput:
    return InvalidInput(why, "base-url")
