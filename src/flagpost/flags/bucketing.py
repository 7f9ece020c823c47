"""Which bucket of 1 to 100 a key falls into, as Split's SDKs reckon it, and the seeds that shuffle the keys."""

from dataclasses import dataclass

import mmh3

ALGORITHM = 2  # Split's number for MurmurHash3 (32 bits, of the text's UTF-8)


@dataclass(frozen=True, slots=True)
class Seeds:
    """What shuffles keys for one flag in one environment: for its shares, and for limit exposure. Signed, 32 bits."""

    shares: int
    exposure: int


def bucket(key: str, seed: int) -> int:
    """1 to 100; every value is equally likely over many keys. Raises UnicodeEncodeError for half a surrogate pair.

    Encoded here and not by mmh3: given half a surrogate pair, as JSON can bring it, mmh3 5.3 crashes the process.
    """
    return mmh3.hash(key.encode(), seed & 0xFFFFFFFF, False) % 100 + 1


def seeds_of(flag_id: str, environment_id: str) -> Seeds:
    """The seeds of a flag in an environment, from birth and for good: ids never change, and no two places share one.

    Nobody moves to another share because a definition was saved, killed, removed or made anew, and nothing has to be
    stored. An id differs for each flag and each environment, so whoever is among the 10 % of one flag is not for that
    reason among the 10 % of another.
    """
    place = f"{flag_id}/{environment_id}"
    return Seeds(shares=mmh3.hash(f"shares/{place}".encode()), exposure=mmh3.hash(f"exposure/{place}".encode()))
