"""A web server of a client, on this machine: keeps what it was sent, answers what the test wants."""

import ipaddress
import ssl
import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from datetime import timedelta
from email.message import Message
from functools import cache
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from idp.clock import now


@dataclass(frozen=True)
class Seen:
    """One request that arrived."""

    method: str
    path: str
    headers: Message
    body: bytes


@dataclass
class Listener:
    """What arrived, and what is answered: `answers` first, then `status`, `kind` and `body` for ever."""

    port: int
    scheme: str
    status: int = 200
    kind: str = "application/json"
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    act: Callable[[BaseHTTPRequestHandler], None] | None = None
    """Instead of an answer: whatever a bad server does."""
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # whoever asked has gone
            self.close_connection = True

    def do_GET(self) -> None:
        listener = self.server.listener
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        listener.seen.append(Seen(self.command, self.path, self.headers, body))
        if listener.act is not None:
            self.close_connection = True
            listener.act(self)
            return
        self.send_response(listener.status)
        self.send_header("Content-Type", listener.kind)
        for name, value in listener.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(listener.body)))
        self.end_headers()
        self.wfile.write(listener.body)

    do_POST = do_GET

    def log_message(self, *arguments: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    listener: Listener
    tls: ssl.SSLContext | None = None

    def get_request(self) -> Any:
        sock, address = super().get_request()
        self.listener.connections += 1
        return sock, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        try:  # here, in the connection's own thread
            request = self.tls.wrap_socket(request, server_side=True) if self.tls else request
            super().finish_request(request, client_address)
        except OSError:
            pass

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def listener(*, tls: bool = True, pem: str | None = None) -> Iterator[Listener]:
    """A running one, on a free port of 127.0.0.1; with another certificate than the one tests trust, if given."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.listener = Listener(server.server_port, "https" if tls else "http")
        if tls:
            server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.tls.load_cert_chain(pem or certificate())
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.listener
        finally:
            server.listener.stopped.set()
            server.shutdown()
            thread.join()


@cache
def certificate() -> str:
    """The certificate that tests trust."""
    return make_certificate()


def make_certificate() -> str:
    """The path of a new certificate for `localhost` and 127.0.0.1 with its key: its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=3650))  # tests travel in time
        .not_valid_after(now() + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = Path(mkdtemp()) / "localhost.pem"
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(made.public_bytes(kinds[0]) + key.private_bytes(*kinds))
    return str(path)
