"""nginx in front, as in production: TLS ends there, with `deploy/nginx.conf` and a certificate of our own."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import services
from listener import certificate

CONFIGURATION = Path(__file__).parent.parent / "deploy" / "nginx.conf"


@contextmanager
def front(folder: Path, port: int, backend: int) -> Iterator[str]:
    """`https://localhost:<port>` for the program on the port `backend`, for the length of the block."""
    nginx = services.find("nginx") or services.missing("nginx")
    folder.mkdir()
    file = folder / "nginx.conf"
    file.write_text(_configuration(folder, port, backend))
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen([str(nginx), "-c", str(file), "-g", "daemon off;"], stdout=log, stderr=log)
        try:
            _wait_until_it_answers(f"https://localhost:{port}", process, folder / "nginx.log")
            yield f"https://localhost:{port}"
        finally:
            process.terminate()
            process.wait(20)


def _configuration(folder: Path, port: int, backend: int) -> str:
    text = CONFIGURATION.read_text().replace("/tmp/", f"{folder}/")
    text = re.sub(r"server provider-1:8400[^;]*;", f"server 127.0.0.1:{backend};", text)
    text = re.sub(r"\n *server provider-2:8400[^;]*;", "", text)
    keys = f"ssl_certificate {certificate()};\n    ssl_certificate_key {certificate()};"
    text = text.replace("listen 8400;", f"listen 127.0.0.1:{port} ssl;\n    {keys}")
    return f"user root;\n{text}" if os.geteuid() == 0 else text


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(url, timeout=2, verify=certificate(), allow_redirects=False)
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(f"nginx does not answer:\n{log.read_text()[-3000:]}")
