"""Bodies that are files of keys, read whole up to a limit."""

from typing import Annotated, Any

from fastapi import Depends, Request

from flagpost.errors import TooLarge

_MOST_BYTES = 32 * 1024 * 1024  # a hundred thousand keys of 250 characters fit
FILE_BODY: dict[str, Any] = {"requestBody": {"content": {"text/csv": {}, "application/json": {}}}}


async def file_of_keys(request: Request) -> bytes:
    """The body; TooLarge as soon as it is."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > _MOST_BYTES:
            raise TooLarge(f"A file of keys has at most {_MOST_BYTES // 1024**2} MB.")
    return bytes(content)


File = Annotated[bytes, Depends(file_of_keys)]
