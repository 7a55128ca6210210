"""Debian's libapache2-mod-auth-openidc: a web server that lets only proven people in, configured by its manual."""

import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode
from urllib.parse import urljoin

import pytest
import requests
from foreign import EVERY_SCOPE
from foreign import Registered
from live import Live
from services import find
from services import free_port
from services import missing
from walk import Page
from walk import Walker
from walk import expect

MODULES = Path("/usr/lib/apache2/modules")
LOADED = ("mpm_event", "authn_core", "authz_core", "authz_user", "mime", "include", "env", "auth_openidc")

CONFIGURATION = """
ServerName localhost
ServerRoot "{folder}"
DefaultRuntimeDir "{folder}"
Mutex file:{folder} default
PidFile "{folder}/apache.pid"
ErrorLog "{folder}/error.log"
LogLevel warn
Listen 127.0.0.1:{port}
StartServers 1
{modules}
TypesConfig /dev/null
AddDefaultCharset utf-8
{user}
DocumentRoot "{folder}/pages"
<Directory "{folder}/pages">
  Require all granted
  Options +Includes
  AddType text/html .shtml
  AddOutputFilter INCLUDES .shtml
</Directory>

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {secret}
OIDCPKCEMethod S256
OIDCRedirectURI {home}/protected/callback
OIDCScope "{scope}"
OIDCCryptoPassphrase {passphrase}
OIDCCookieSameSite On
OIDCInfoHook userinfo id_token

<Location "/protected">
  AuthType openid-connect
  Require valid-user
</Location>
"""

Site = Callable[..., str]


@pytest.fixture
def site(live: Live, register: Callable[..., Registered]) -> Iterator[Site]:
    """Starts a protected site and gives its address."""
    apache = find("apache2")
    if apache is None or not (MODULES / "mod_auth_openidc.so").exists():
        missing("libapache2-mod-auth-openidc")
    running: list[subprocess.Popen[bytes]] = []
    folders: list[Path] = []

    def start(algorithm: str) -> str:
        port = free_port()
        home = f"http://localhost:{port}"
        client = register(f"{home}/protected/callback", logout=f"{home}/bye.html", alg=algorithm)
        folder = _folder(home, port, live, client)
        folders.append(folder)
        command = [str(apache), "-D", "FOREGROUND", "-d", str(folder), "-f", str(folder / "apache.conf")]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=(folder / "stderr").open("wb")))
        _wait_until_ready(home, running[-1], folder)
        return home

    try:
        yield start
    finally:
        for process in running:
            process.terminate()
            process.wait(20)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _folder(home: str, port: int, live: Live, client: Registered) -> Path:
    """The whole site: configuration, an open page and a protected one that prints what the module knows."""
    folder = Path(tempfile.mkdtemp(prefix="idp-apache-"))
    folder.chmod(0o755)  # the server's own user reads it
    pages = folder / "pages"
    (pages / "protected").mkdir(parents=True)
    (pages / "bye.html").write_text("<p>bye</p>")
    (pages / "protected" / "me.shtml").write_text("<pre><!--#printenv --></pre>")
    (folder / "apache.conf").write_text(
        CONFIGURATION.format(
            folder=folder,
            port=port,
            home=home,
            modules="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED),
            user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
            issuer=live.issuer,
            client_id=client.client_id,
            secret=client.secret,
            scope=EVERY_SCOPE,
            passphrase=secrets.token_urlsafe(24),
        )
    )
    return folder


def _wait_until_ready(home: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if requests.get(f"{home}/bye.html", timeout=2).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    logs = [file.read_text() for name in ("stderr", "error.log") if (file := folder / name).exists()]
    pytest.fail("apache did not start:\n" + "\n".join(logs)[-3000:])


def environment(text: str) -> dict[str, str]:
    """What the protected page printed."""
    found = re.search(r"<pre>(.*)</pre>", text, re.S)
    assert found, text[:2000]
    return dict(line.partition("=")[::2] for line in unescape(found[1]).splitlines() if "=" in line)


def registration(page: Page) -> str:
    """Where "S'enregistrer" leads from Connexion."""
    found = re.search(r'href="([^"]+)"[^>]*>\s*S\'enregistrer', unescape(page.text))
    assert found, page.text[:2000]
    return urljoin(page.url, found[1])


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_person_signs_in_sees_their_page_and_signs_out(
    live: Live, site: Site, walker: Walker, algorithm: str
) -> None:
    home, person = site(algorithm), live.person("fr")
    me = f"{home}/protected/me.shtml"

    page = walker.open(me)
    expect(page, "credentials")
    page = walker.enrol(walker.open(registration(page)), person)

    assert page.url == me
    known = environment(page.text)
    assert known["REMOTE_USER"] == f"{known['OIDC_CLAIM_sub']}@{live.issuer}"
    assert known["OIDC_CLAIM_name"] == f"{person.first_name} {person.last_name}"
    assert known["OIDC_CLAIM_email"] == person.email
    assert known["OIDC_CLAIM_person_number"] == person.person_number
    assert known["OIDC_CLAIM_acr"] == "urn:vpk:acr:two-factor"
    assert known["OIDC_CLAIM_iss"] == live.issuer

    back = walker.open(f"{home}/protected/callback?{urlencode({'logout': f'{home}/bye.html'})}")
    assert back.url == f"{home}/bye.html"
    assert back.text == "<p>bye</p>"

    page = walker.open(me)
    expect(page, "credentials")
    again = walker.sign_in(page, person)
    assert again.url == me
    assert environment(again.text)["OIDC_CLAIM_sub"] == known["OIDC_CLAIM_sub"]


def test_a_person_who_is_signed_in_already_is_not_asked_again(live: Live, site: Site, signed_in: Walker) -> None:
    home = site("ES256")

    page = signed_in.open(f"{home}/protected/me.shtml")

    assert page.url == f"{home}/protected/me.shtml"
    assert environment(page.text)["OIDC_CLAIM_acr"] == "urn:vpk:acr:two-factor"


def test_nobody_gets_in_without_a_sign_in(live: Live, site: Site) -> None:
    home = site("ES256")

    answer = requests.get(f"{home}/protected/me.shtml", allow_redirects=False, timeout=10)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"{live.issuer}/authorize?")
    assert "code_challenge_method=S256" in answer.headers["Location"]
