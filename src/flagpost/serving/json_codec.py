"""JSON between Flagpost and applications: request bodies read into typed records, responses joined from encoded parts.

Parts are encoded by Python's own `json`, which escapes everything beyond ASCII. Split's Python SDK reads a response
whose Content-Type names no charset, and guesses one; ASCII leaves nothing to guess. Joining copies encoded parts as
they are, which is what makes a response of a thousand flags cheap. `docs/decisions/` compares the libraries.
"""

import json
from typing import Any, Generic, TypeVar

import msgspec

from flagpost.errors import InvalidInput

_T = TypeVar("_T")
_join = msgspec.json.Encoder().encode


def encode_part(value: object) -> msgspec.Raw:
    """A value as JSON that `join_parts` copies into a response."""
    return msgspec.Raw(encode(value))


def encode(value: object) -> bytes:
    """A value as compact JSON in ASCII."""
    return json.dumps(value, separators=(",", ":")).encode()


def join_parts(document: object) -> bytes:
    """A document as JSON: objects and lists of encoded parts, numbers and ASCII texts."""
    return _join(document)


class MalformedJson(InvalidInput):
    """The body is not JSON."""

    def __init__(self) -> None:
        super().__init__("The body is not JSON.")


class JsonReader(Generic[_T]):
    """Reads JSON of one shape, which is a type that msgspec understands. Threads can share a reader.

    msgspec reads first; Python's `json` reads again what msgspec refuses. It accepts half of a surrogate pair, which
    JavaScript writes as an escape when an application has cut a key in the middle of an emoji.
    """

    def __init__(self, shape: type[_T]) -> None:
        self._shape = shape
        self._decoder = msgspec.json.Decoder(shape)

    def read(self, raw: bytes) -> _T:
        """The record in a body. MalformedJson where it is not JSON, InvalidInput with the field that does not fit."""
        try:
            return self._decoder.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            return self.convert(_parse(raw))

    def convert(self, value: object, path: str = "") -> _T:
        """The record in parsed JSON, which stands at `path` of its body. InvalidInput as `read` raises it."""
        try:
            return msgspec.convert(value, self._shape)
        except msgspec.ValidationError as error:
            raise _invalid(error, path) from None


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise MalformedJson from None


def _invalid(error: msgspec.ValidationError, path: str) -> InvalidInput:
    """msgspec's message ends with the place of the field: "Expected `int`, got `str` - at `$[0].m`"."""
    message, _, place = str(error).partition(" - at `$")
    return InvalidInput(f"{message}.", (path + place.removesuffix("`")).removeprefix("."))
