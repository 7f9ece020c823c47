"""Addresses and hosts, as strictly as they have to be where secrets and people are sent to them."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_MOST_CHARACTERS = 253  # RFC 1035, without the dot at the end
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*|\[[0-9a-f:.]+\]")
_STRANGE = re.compile(r"[\s\\\x00-\x1f\x7f]")  # programs differ in where these end a host, or drop them


def split_address(text: str) -> SplitResult:
    """The parts of an http or https address whose host is plain: letters, digits and hyphens, or an IP address.

    ValueError for anything that browsers, libraries and servers might read in different ways. A user name, a port and
    a path are for the caller to judge.
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
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
