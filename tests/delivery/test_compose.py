"""compose.yaml and deploy/nginx.conf: checked without a docker engine, against what they speak of."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import services
import yaml
from click import Group

from cli import main
from idp.settings import Settings

ROOT = Path(__file__).parent.parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]


def environment(name: str) -> dict[str, str]:
    return SERVICES[name].get("environment", {})


def test_every_setting_it_gives_exists() -> None:
    names = {name for service in SERVICES for name in environment(service) if name.startswith("IDP_")}

    assert names
    assert {name for name in names if name.removeprefix("IDP_").lower() not in Settings.model_fields} == set()


def test_its_settings_are_accepted() -> None:
    given = {
        name.removeprefix("IDP_").lower(): re.sub(r"\$\{[^}]+\}", "3vXq9Lr-0aZt7Kp_2mWc5Yb8Hd1Gs4Jf6Ne", str(value))
        for name, value in environment("provider-1").items()
        if name.startswith("IDP_") and name != "IDP_AUDIENCES"
    }

    settings = Settings(**given)  # type: ignore[arg-type]

    assert settings.trusted_proxies == 1
    assert settings.database_url.startswith("postgresql://idp:")


def test_both_providers_are_alike() -> None:
    assert SERVICES["provider-1"] == SERVICES["provider-2"]


@pytest.mark.parametrize("name", OURS)
def test_what_it_builds_is_a_stage_of_the_dockerfile(name: str) -> None:
    stages = re.findall(r"^FROM \S+ AS (\w+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert SERVICES[name]["build"]["target"] in stages


def test_what_it_runs_exists() -> None:
    assert isinstance(main, Group)
    assert SERVICES["migrate"]["command"][0] in main.commands
    module = SERVICES["prepare"]["command"][0]
    assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


def test_what_it_waits_for_exists() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_files_it_mounts_exist() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]

    assert files == ["./deploy/nginx.conf"]
    assert all((ROOT / file).is_file() for file in files)
    assert {mount.split(":")[0] for mount in mounts if not mount.startswith("./")} == set(COMPOSE["volumes"])


def test_ports_are_open_on_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "database"])
def test_containers_have_no_rights_they_do_not_need(name: str) -> None:
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert "no-new-privileges:true" in service["security_opt"]


def test_secrets_are_drawn_and_not_written_down() -> None:
    text = (ROOT / "compose.yaml").read_text()
    drawn = set(re.findall(r"\$\{(\w+):\?", text))

    assert drawn == {"IDP_SECRET", "POSTGRES_PASSWORD"}
    assert all(f"{name}=" in (ROOT / "deploy" / "secrets.py").read_text() for name in drawn)


def test_the_portal_is_the_registered_one() -> None:
    client = tomllib.loads((ROOT / "demo" / "clients.toml").read_text())["client"][0]

    assert environment("portal")["DEMO_CLIENT_ID"] == client["client_id"]
    assert Path(environment("portal")["DEMO_CLIENT_SECRET_FILE"]).name == Path(client["secret_file"]).name
    assert client["redirect_uris"] == [f"{environment('portal')['DEMO_BASE_URL']}/callback"]


def test_nginx_asks_the_providers() -> None:
    upstream = re.findall(r"server ([\w-]+):(\d+)", (ROOT / "deploy" / "nginx.conf").read_text())

    assert upstream == [("provider-1", "8400"), ("provider-2", "8400")]
    assert {name for name, _ in upstream} <= set(SERVICES)


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    nginx = services.find("nginx") or services.missing("nginx")
    text = (ROOT / "deploy" / "nginx.conf").read_text().replace("/tmp/", f"{tmp_path}/")
    text = re.sub(r"provider-[12]:8400", "127.0.0.1:9", text).replace("listen 8400", f"listen {services.free_port()}")
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(text)

    done = subprocess.run([str(nginx), "-t", "-c", configuration], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr
