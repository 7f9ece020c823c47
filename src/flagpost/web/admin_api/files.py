"""Request bodies that are files of keys, read into memory up to a limit."""

from typing import Annotated, Any

from fastapi import Depends, Request

from flagpost.errors import TooLarge

_MAX_BYTES = 32 * 1024 * 1024  # a hundred thousand keys of 250 characters fit
FILE_BODY: dict[str, Any] = {"requestBody": {"content": {"text/csv": {}, "application/json": {}}}}


async def file_of_keys(request: Request) -> bytes:
    """The body. TooLarge as soon as it exceeds the limit."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > _MAX_BYTES:
            raise TooLarge(f"A file of keys has at most {_MAX_BYTES // 1024**2} MB.")
    return bytes(content)


File = Annotated[bytes, Depends(file_of_keys)]
