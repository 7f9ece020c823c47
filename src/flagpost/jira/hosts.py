"""Strict checks of addresses and hosts, for addresses that secrets or people are sent to."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_MOST_CHARACTERS = 253  # RFC 1035, without the dot at the end
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*|\[[0-9a-f:.]+\]")
_STRANGE = re.compile(r"[\s\\\x00-\x1f\x7f]")  # some programs end the host there, others drop them


def split_address(text: str) -> SplitResult:
    """The parts of an http or https address whose host is plain: letters, digits and hyphens, or an IP address.

    Raises ValueError for anything that browsers, libraries and servers might read in different ways. The caller has to
    check the user name, the port and the path.
    """
    if _STRANGE.search(text):
        raise ValueError("it has a character that no address has")
    parts = urlsplit(text)
    place = parts.netloc.rpartition("@")[2]
    host = place if parts.port is None else place.removesuffix(f":{parts.port}")
    if parts.scheme not in ("http", "https") or not place.isascii():
        raise ValueError("it is no web address")
    if len(host) > _MOST_CHARACTERS or not _HOST.fullmatch(host.lower()):
        raise ValueError("its host is none")
    return parts


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
