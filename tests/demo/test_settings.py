"""The portal's settings, and what it says when one is wrong."""

from pathlib import Path

import pytest

from demo.settings import BadSetting
from demo.settings import load


def test_a_missing_secret_is_named_with_its_remedy() -> None:
    with pytest.raises(BadSetting, match=r"DEMO_CLIENT_SECRET.*idp clients add"):
        load({})


def test_the_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from-the-file\n")

    assert load({"DEMO_CLIENT_SECRET_FILE": str(file)}).client_secret == "from-the-file"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"DEMO_CLIENT_SECRET_FILE.*nowhere"):
        load({"DEMO_CLIENT_SECRET_FILE": str(tmp_path / "nowhere")})


@pytest.mark.parametrize("address", ["localhost:8400", "http://", "ftp://localhost", "http://localhost:8400/"])
def test_an_address_must_be_whole(address: str) -> None:
    with pytest.raises(BadSetting, match=r"DEMO_ISSUER"):
        load({"DEMO_ISSUER": address, "DEMO_CLIENT_SECRET": "s"})


def test_secrets_are_not_shown_where_settings_are_printed() -> None:
    settings = load({"DEMO_CLIENT_SECRET": "do-not-show", "DEMO_SECRET": "nor-this"})

    assert "do-not-show" not in repr(settings)
    assert "nor-this" not in repr(settings)


def test_behind_tls_the_cookie_is_bound_to_this_host() -> None:
    from demo.portal import create_app

    app = create_app(load({"DEMO_BASE_URL": "https://demo.example.ch", "DEMO_CLIENT_SECRET": "s"}))

    assert app.config["SESSION_COOKIE_NAME"] == "__Host-demo_session"
    assert app.config["SESSION_COOKIE_SECURE"] is True
