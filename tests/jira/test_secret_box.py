"""Secrets at rest, the key that encrypts them, and how long a system token may be used."""

import base64
import json
import threading
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from flagpost.errors import SetupError
from flagpost.jira.secret_box import SecretBox, secret_box, token_expiry
from flagpost.settings import load


def test_what_is_encrypted_is_read_back_and_does_not_show() -> None:
    box = SecretBox([Fernet.generate_key().decode()])
    sealed = box.encrypt("a secret")
    assert b"secret" not in sealed
    assert box.decrypt(sealed) == "a secret"


def test_a_new_key_in_front_still_reads_what_the_old_one_wrote() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    assert SecretBox([new, old]).decrypt(SecretBox([old]).encrypt("x")) == "x"


def test_a_key_that_is_none_is_refused() -> None:
    with pytest.raises(SetupError):
        SecretBox(["not a key"])


def test_processes_that_start_at_once_agree_on_one_key_which_others_cannot_read(tmp_path: Path) -> None:
    settings = load(database_url=f"sqlite:///{tmp_path / 'flagpost.db'}")
    boxes: list[SecretBox] = []
    threads = [threading.Thread(target=lambda: boxes.append(secret_box(settings))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealed = boxes[0].encrypt("x")
    assert [box.decrypt(sealed) for box in boxes] == ["x"] * 8
    files = list(tmp_path.iterdir())
    assert len(files) == 1
    assert files[0].stat().st_mode & 0o077 == 0


def test_a_tokens_own_expiry_counts_and_an_opaque_one_gets_the_documented_least() -> None:
    body = base64.urlsafe_b64encode(json.dumps({"exp": 1_800_000_000}).encode()).rstrip(b"=").decode()
    assert token_expiry(f"h.{body}.s", 0) == 1_800_000_000_000
    for opaque in ("opaque", "a.b.c", "a.W10.c", ""):
        assert token_expiry(opaque, 1000) > 1000
