"""Which bucket from 1 to 100 a key falls into, as Split's SDKs compute it, and the seeds that shuffle the keys."""

from dataclasses import dataclass

import mmh3

ALGORITHM = 2  # Split's number for MurmurHash3 (32 bits, of the text's UTF-8)


@dataclass(frozen=True, slots=True)
class Seeds:
    """What shuffles the keys of one flag in one environment, for its shares and for limit exposure. Signed, 32 bits."""

    shares: int
    exposure: int


def bucket(key: str, seed: int) -> int:
    """1 to 100; over many keys every value is equally likely. Raises UnicodeEncodeError for half a surrogate pair.

    The key is encoded here and not by mmh3: mmh3 5.3 crashes the process on half a surrogate pair, which JSON can
    contain.
    """
    return mmh3.hash(key.encode(), seed & 0xFFFFFFFF, False) % 100 + 1


def seeds_of(flag_id: str, environment_id: str) -> Seeds:
    """The seeds of a flag in an environment. They never change, because ids never do.

    So no key moves to another share when a definition is saved, killed, removed or created again, and no seed has to
    be stored. Each flag and environment has its own id, so the keys in the first 10 % of one flag are not, for that
    reason, in the first 10 % of another.
    """
    place = f"{flag_id}/{environment_id}"
    return Seeds(shares=mmh3.hash(f"shares/{place}".encode()), exposure=mmh3.hash(f"exposure/{place}".encode()))
