"""Encryption of stored secrets that Flagpost has to read again, with keys that can be rotated."""

import base64
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from flagpost.errors import SetupError
from flagpost.settings import Settings

ASSUMED_TOKEN_LIFE_MS = 2 * 3600 * 1000  # Atlassian: a delivered system token is valid for at least two hours


class SecretBox:
    """Encrypts with the newest key, and decrypts with any of them."""

    def __init__(self, keys: list[str]) -> None:
        try:
            every = [Fernet(key) for key in keys]
            self._newest, self._fernet = every[0], MultiFernet(every)
        except ValueError:
            raise SetupError(
                "FLAGPOST_SECRET_KEYS: each key is 32 random bytes in URL-safe base64. Make one with: "
                "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
            ) from None

    def encrypt(self, text: str) -> bytes:
        """The bytes to store for a secret."""
        return self._fernet.encrypt(text.encode())

    def renewed(self, stored: bytes) -> bytes | None:
        """A stored secret encrypted with the newest key; None where it already is, or where no key fits it."""
        text = self.decrypt(stored)
        return None if text is None or _fits(self._newest, stored) else self.encrypt(text)

    def decrypt(self, stored: bytes) -> str | None:
        """The secret; None where no key fits it, so that a person has to enter it again."""
        try:
            return self._fernet.decrypt(stored).decode()
        except InvalidToken:
            return None


def _fits(key: Fernet, stored: bytes) -> bool:
    try:
        key.decrypt(stored)
    except InvalidToken:
        return False
    return True


def secret_box(settings: Settings) -> SecretBox:
    """The box for these settings. Where no key is set, makes a key file beside the SQLite database."""
    if settings.secret_keys:
        return SecretBox([key.get_secret_value() for key in settings.secret_keys])
    if settings.sqlite_file is None:
        raise SetupError(
            "On PostgreSQL, set FLAGPOST_SECRET_KEYS: the same for every process, and kept with the backups."
        )
    return SecretBox([_key_in(settings.sqlite_file.with_suffix(".key"))])


def _key_in(file: Path) -> str:
    """The key in this file, which is made whole or not at all, so that two processes that start at once share it."""
    try:
        if not file.exists():
            _make_key(file)
        return file.read_text().strip()
    except OSError as error:
        raise SetupError(f"The key file {file} cannot be made or read: {error.strerror}.") from error


def _make_key(file: Path) -> None:
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # readable by its owner alone
    with os.fdopen(descriptor, "w") as stream:
        stream.write(Fernet.generate_key().decode() + "\n")
    try:
        with suppress(FileExistsError):
            os.link(name, file)
    finally:
        os.unlink(name)


def token_expiry(token: str, now: int) -> int:
    """When a system token expires, in milliseconds: by its own claim, or, where it has none, the documented minimum."""
    try:
        claims = token.split(".")[1]
        expiry = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
        return int(expiry) * 1000
    except (IndexError, ValueError, KeyError, TypeError):
        return now + ASSUMED_TOKEN_LIFE_MS
