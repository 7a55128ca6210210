"""Our provider as the suite meets it: `idp serve` behind nginx, https, in a folder of its own."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pages
import requests
from certificates import write_certificate
from mail import Mailbox
from mail import listening
from plan import Plan

ROOT = Path(__file__).parent.parent
PORT, MTLS_PORT, MAIL_PORT, BACKEND_PORT = range(pages.PORT, pages.PORT + 4)
SHOWN_SECONDS = 35
"""A worker reads the keys anew every 30 seconds (`keys/ring.py`)."""
SERVER = """
  server {{
    listen 127.0.0.1:{port} ssl; server_name op.test; {client}
    location / {{
      proxy_pass http://127.0.0.1:{backend}; proxy_http_version 1.1;
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto https; proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
      proxy_set_header X-Client-Verify $ssl_client_verify;
    }}
  }}"""
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off; underscores_in_headers off; large_client_header_buffers 8 64k; client_max_body_size 1m;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on;
  ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384;
  ssl_certificate {folder}/op.pem; ssl_certificate_key {folder}/op.key;{servers}
}}
"""


@dataclass
class Provider:
    """A running provider."""

    folder: Path
    environment: dict[str, str]
    mailbox: Mailbox
    """What it mails to the test person."""

    def idp(self, *arguments: str) -> str:
        """Run one of our commands against it."""
        command = [sys.executable, "-m", "cli", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"idp {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def apply(self, plan: Plan) -> None:
        """Register the clients that a plan brings along."""
        if plan.clients:
            path = self.folder / "clients.toml"
            path.write_text("\n".join(_toml(client) for client in plan.clients), encoding="utf-8")
            self.environment |= plan.secrets
            self.idp("clients", "apply", str(path), "--yes")

    def rotate_keys(self) -> None:
        """What the suite asks of an operator in the middle of a module; every worker shows the new key soon after."""
        self.idp("keys", "rotate", "--yes")
        time.sleep(SHOWN_SECONDS)


@contextmanager
def running(folder: Path, suite: str, trusted: Path | None = None) -> Iterator[Provider]:
    """Start everything, and end it by its process ids."""
    folder.mkdir(parents=True, exist_ok=True)
    write_certificate(folder / "op.pem", folder / "op.key", "op.test")
    with listening(MAIL_PORT) as mailbox:
        yield from _running(Provider(folder, _environment(folder, suite, trusted), mailbox))


def _running(provider: Provider) -> Iterator[Provider]:
    folder = provider.folder
    provider.idp("migrate")
    provider.idp("conformance", "account")
    client = "ssl_verify_client optional_no_ca;"  # names no authority: a client would send no other certificate
    servers = "".join(SERVER.format(port=port, backend=BACKEND_PORT, client=client) for port in (PORT, MTLS_PORT))
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, servers=servers), encoding="utf-8")
    with (folder / "idp.log").open("w") as log:
        serve = [sys.executable, "-m", "cli", "serve", "--port", str(BACKEND_PORT), "--workers", "2"]
        processes = [
            subprocess.Popen(serve, cwd=ROOT, env=provider.environment, stdout=log, stderr=log),
            subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], stdout=log, stderr=log),
        ]
        try:
            _wait(folder / "idp.log")
            yield provider
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(timeout=30)


def _environment(folder: Path, suite: str, trusted: Path | None) -> dict[str, str]:
    """The profile `conformance`, and the suite's own host as the one private address that may be called."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    return {
        **inherited,
        "IDP_ISSUER": pages.OP,
        "IDP_SECRET": secrets.token_urlsafe(48),
        "IDP_DATABASE_URL": f"sqlite:///{folder / 'idp.sqlite'}",
        "IDP_PROFILE": "conformance",
        "IDP_SECOND_FACTOR": "off",
        "IDP_REGISTRATION": "open",
        "IDP_SESSION_MANAGEMENT": "true",
        "IDP_TRUSTED_PROXIES": "1",
        "IDP_CLIENT_CERTIFICATE_HEADER": "X-Client-Cert",
        "IDP_CLIENT_CERTIFICATE_VERIFIED_HEADER": "X-Client-Verify",
        "IDP_MTLS_BASE": pages.CERTIFICATES,
        "IDP_FETCH_PRIVATE_HOSTS": json.dumps([urlsplit(suite).hostname]),
        **({"IDP_FETCH_CA_FILE": str(trusted)} if trusted else {}),
        "IDP_SMTP_HOST": "127.0.0.1",
        "IDP_SMTP_PORT": str(MAIL_PORT),
        "IDP_SMTP_SECURITY": "none",
        "IDP_SMS_GATEWAY": "ecall",  # nobody needs an SMS here
        "IDP_SMS_USERNAME": "none",
        "IDP_SMS_PASSWORD": "none",
        "IDP_DEFAULT_LANGUAGE": "en",
        "IDP_LOG_LEVEL": "INFO",
    }


def _wait(log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{pages.OP}/health/ready", verify=False, timeout=5).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.5)
    raise RuntimeError(
        f"The provider does not answer at {pages.OP}; is op.test in /etc/hosts?\n{log.read_text()[-2000:]}"
    )


def _toml(client: Mapping[str, Any]) -> str:
    return "[[client]]\n" + "\n".join(f"{name} = {_value(value)}" for name, value in client.items()) + "\n"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(name)} = {_value(each)}" for name, each in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return json.dumps(value)
