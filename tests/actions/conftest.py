"""Connections for the tests of this room."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tenuto.actions.http_client import HttpCaller
from tenuto.actions.http_request import HttpRequest
from tenuto.actions.webhook import Webhook


@pytest.fixture(autouse=True)
def no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names resolve without asking the network: this machine's own do, all others are unknown."""
    resolve = socket.getaddrinfo

    def own_names_only(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in ("localhost", "127.0.0.1", "::1", None):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", own_names_only)


@pytest.fixture
async def caller() -> AsyncIterator[HttpCaller]:
    http = HttpCaller()
    yield http
    await http.close()


@pytest.fixture
def http_request(caller: HttpCaller) -> HttpRequest:
    return HttpRequest(caller)


@pytest.fixture
def webhook(caller: HttpCaller) -> Webhook:
    return Webhook(caller)


@pytest.fixture(scope="session")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's TLS with a certificate that nobody vouches for."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
