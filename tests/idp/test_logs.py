"""Log lines: JSON, one a request, without personal data, and with tracebacks that tell no values."""

import io
import json
import logging
import secrets
import sys
import threading
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from flask import Flask
from flask import abort

from idp import logs
from idp.settings import Settings

AHV, EMAIL, PHONE, TOKEN = "756.9217.0769.85", "marker@example.org", "+41791234567", secrets.token_urlsafe(32)
MARKERS = (AHV, "7569217076985", EMAIL, "marker%40example.org", PHONE, "123456", TOKEN)

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes; everything global is as before afterwards."""
    structlog.contextvars.clear_contextvars()  # what the request of another test has left
    root = logging.getLogger()
    before = root.handlers, root.level, structlog.get_config(), sys.excepthook, threading.excepthook
    stream = io.StringIO()
    logs.configure(settings(), stream)
    yield stream
    root.handlers, root.level = before[0], before[1]
    structlog.configure(**before[2])
    sys.excepthook, threading.excepthook = before[3], before[4]
    logging.captureWarnings(False)


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def settings(**more: Any) -> Settings:
    return Settings(issuer="http://localhost:8400", secret=secrets.token_urlsafe(48), **more)  # type: ignore[arg-type]


@pytest.fixture
def app() -> Flask:
    app = Flask("small")
    logs.init_app(app)

    @app.route("/i/<interaction>/<step>", methods=["GET", "POST"])
    def step(interaction: str, step: str) -> str:
        structlog.get_logger("step").info(f"code 123456 for {EMAIL}", email=EMAIL, note=f"call {PHONE}")
        return "ok"

    @app.get("/crash")
    def crash() -> str:
        local = "756 9217 0769 85"
        raise ValueError(f"cannot parse {AHV} ({len(local)})")

    @app.get("/away")
    def away() -> str:
        abort(404)

    @app.errorhandler(ValueError)
    def unexpected(error: ValueError) -> tuple[str, int]:
        structlog.get_logger("errors").exception("unexpected error", reference="1234 5678")
        return "sorry", 500

    return app


def test_a_request_leaves_one_line_with_its_route_and_not_its_address(
    app: Flask, stream: io.StringIO, lines: Lines
) -> None:
    app.test_client().post(f"/i/{TOKEN}/proof?login_hint={EMAIL}&code=123456", data={"email": EMAIL})

    line = lines()[-1]

    assert (line["event"], line["method"], line["status"]) == ("request", "POST", 200)
    assert line["route"] == "/i/<interaction>/<step>"
    assert line["ms"] >= 0
    assert not [marker for marker in MARKERS if marker in stream.getvalue()]


def test_an_unknown_address_is_not_repeated(app: Flask, stream: io.StringIO, lines: Lines) -> None:
    app.test_client().get("/756.9217.0769.85/nowhere")

    assert (lines()[-1]["route"], lines()[-1]["status"]) == ("none", 404)
    assert "nowhere" not in stream.getvalue()


def test_a_method_of_the_visitors_own_is_not_repeated(app: Flask, stream: io.StringIO, lines: Lines) -> None:
    app.test_client().open("/away", method="MARKER")

    assert lines()[-1]["method"] == "other"
    assert "MARKER" not in stream.getvalue()


def test_every_line_of_a_request_and_its_answer_carry_the_same_id(app: Flask, lines: Lines) -> None:
    first = app.test_client().get("/i/1/2").headers["X-Request-ID"]
    second = app.test_client().get("/i/1/2").headers["X-Request-ID"]

    assert [line["request_id"] for line in lines()] == [first, first, second, second]
    assert first != second


def test_a_request_id_is_taken_from_a_trusted_proxy_only(app: Flask, lines: Lines) -> None:
    from werkzeug.middleware.proxy_fix import ProxyFix

    given = {"X-Request-ID": "0123456789abcdef0123456789abcdef", "X-Forwarded-For": "192.0.2.1"}
    app.test_client().get("/away", headers=given)
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    app.test_client().get("/away", headers=given)

    assert lines()[0]["request_id"] != given["X-Request-ID"]
    assert lines()[1]["request_id"] == given["X-Request-ID"]


def test_a_traceback_tells_where_and_neither_values_nor_local_variables(
    app: Flask, stream: io.StringIO, lines: Lines
) -> None:
    app.test_client().get("/crash")

    line = lines()[0]

    assert "ValueError: cannot parse [removed]" in line["exception"]
    assert "in crash" in line["exception"]
    assert line["reference"] == "1234 5678"
    assert not [marker for marker in (*MARKERS, "756 9217") if marker in stream.getvalue()]


def test_lines_of_libraries_go_the_same_way(stream: io.StringIO, lines: Lines) -> None:
    logging.getLogger("some.library").warning("mail to %s failed", EMAIL)
    try:
        raise RuntimeError(f"token {TOKEN}")
    except RuntimeError:
        logging.getLogger("some.library").exception("failed")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"address {EMAIL}", stacklevel=1)

    assert [line["logger"] for line in lines()] == ["some.library", "some.library", "py.warnings"]
    assert "RuntimeError" in lines()[1]["exception"]
    assert not [marker for marker in MARKERS if marker in stream.getvalue()]


def test_libraries_that_tell_addresses_and_statements_are_quiet_even_when_debugging(stream: io.StringIO) -> None:
    logs.configure(settings(log_level="DEBUG"), stream)

    for name in ("urllib3.connectionpool", "sqlalchemy.engine.Engine", "smpplib.client.1", "werkzeug"):
        logging.getLogger(name).info("tells too much")

    assert stream.getvalue() == ""


def test_a_crash_of_a_thread_is_logged_like_everything_else(stream: io.StringIO, lines: Lines) -> None:
    def work() -> None:
        raise ValueError(EMAIL)

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join()

    assert (lines()[-1]["event"], lines()[-1]["thread"]) == ("a thread ended", "worker")
    assert EMAIL not in stream.getvalue()


def test_a_crash_of_the_program_is_logged_like_everything_else(stream: io.StringIO, lines: Lines) -> None:
    try:
        raise ValueError(EMAIL)
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)

    assert lines()[-1]["level"] == "critical"
    assert EMAIL not in stream.getvalue()


def test_the_console_form_is_redacted_too(stream: io.StringIO) -> None:
    logs.configure(settings(log_format="console"), stream)

    structlog.get_logger("some").warning("asked", who=EMAIL, at=AHV)

    assert "asked" in stream.getvalue()
    assert not [marker for marker in MARKERS if marker in stream.getvalue()]
