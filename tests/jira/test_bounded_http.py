"""A call ends when it has to, whatever the server does, and reads no more than an answer can be."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from flagpost.errors import JiraError
from flagpost.jira.client import JiraAddressRefused, JiraClient, JiraUnreachable
from flagpost.jira.response import JiraResponse
from flagpost.settings import Settings

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def server(answer: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that reads a request, and then does what `answer` does."""

    def serve() -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            with suppress(OSError), tls.wrap_socket(one, server_side=True) if tls else one as talking:
                talking.recv(65_536)
                answer(talking)

    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(30)


def trickle(one: socket.socket, text: bytes) -> None:
    for byte in text:
        one.sendall(bytes([byte]))
        time.sleep(0.05)


def ask(url: str, seconds: float = 0.5) -> JiraResponse:
    client = JiraClient(
        Settings(allow_insecure_jira=True, jira_timeout=seconds, atlassian_api_url="http://127.0.0.1:9")
    )
    try:
        return client.get_public(url)
    finally:
        client.close()


def test_an_answer_is_read_whole() -> None:
    body = b'{"a": "' + b"x" * 100_000 + b'"}'
    with server(lambda one: one.sendall(HEAD + b"Connection: close\r\n\r\n" + body)) as url:
        assert ask(url).body == {"a": "x" * 100_000}


@pytest.mark.parametrize("head", [HEAD, HEAD + b"Content-Length: 1000\r\n\r\n"], ids=["headers", "body"])
def test_a_server_that_sends_a_byte_now_and_then_does_not_hold_a_call(head: bytes) -> None:
    def answer(one: socket.socket) -> None:
        one.sendall(head)
        trickle(one, b"x" * 400)

    with server(answer) as url:
        began = time.monotonic()
        with pytest.raises(JiraUnreachable, match="in time"):
            ask(url)
        assert time.monotonic() - began < 10


def held(one: socket.socket) -> None:
    one.sendall(HEAD)
    trickle(one, b"x" * 400)  # for twenty seconds, were it let


def test_nor_does_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(held) as url:
        monkeypatch.setenv("http_proxy", url)
        with pytest.raises(JiraUnreachable, match="in time"):
            ask("http://localhost:9/")


def test_nor_does_one_that_is_reached_over_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certified = tmp_path / "localhost.pem"
    certified.write_bytes(certificate())
    monkeypatch.setenv("SSL_CERT_FILE", str(certified))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certified)
    whole = HEAD + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
    with server(lambda one: one.sendall(whole), tls) as url:
        assert ask(url.replace("http://127.0.0.1", "https://localhost"), 20).body == {}
    with server(held, tls) as url, pytest.raises(JiraUnreachable, match="in time"):
        ask(url.replace("http://127.0.0.1", "https://localhost"))


def certificate() -> bytes:
    """A key, and a certificate for localhost that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return secret + made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_an_answer_without_an_end_is_not_read_into_memory() -> None:
    sent = 0

    def answer(one: socket.socket) -> None:
        nonlocal sent
        one.sendall(HEAD + b"\r\n")
        while sent < 200 * 1024**2:
            one.sendall(b" " * 65_536)
            sent += 65_536

    with server(answer) as url, pytest.raises(JiraUnreachable, match="larger than 8 MB"):
        ask(url, 60)
    assert sent < 100 * 1024**2


def test_an_answer_that_cannot_be_unpacked_is_no_answer() -> None:
    body = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"
    with server(lambda one: one.sendall(body)) as url, pytest.raises(JiraUnreachable):
        ask(url)


@pytest.mark.parametrize(
    "url",
    ["https://.atlassian.net/a", "https://a..atlassian.net/", f"https://{'a' * 64}.atlassian.net/", "https://\x00/"],
)
def test_what_is_no_address_is_refused_as_any_other(url: str) -> None:
    with pytest.raises(JiraError) as refused:
        ask(url)
    assert isinstance(refused.value, JiraAddressRefused)
