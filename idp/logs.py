"""Logs without personal data: JSON lines for machines, coloured ones for developers.

Every line of the process, ours and the libraries', goes through one handler: exceptions become tracebacks without
local variables, and everything is redacted (`redaction.py`) just before it is written. Each request leaves one access
line that names the route, never the address: addresses carry codes and interactions.
"""

import logging
import re
import secrets
import sys
import threading
import time
import traceback
from types import TracebackType
from typing import Any
from typing import TextIO

import structlog
from flask import Flask
from flask import Response
from flask import g
from flask import request
from flask.signals import request_finished
from flask.signals import request_started
from structlog.contextvars import bind_contextvars
from structlog.contextvars import clear_contextvars
from structlog.contextvars import merge_contextvars
from structlog.typing import EventDict
from structlog.typing import Processor

from .redaction import redact
from .settings import Settings

QUIET = ("alembic", "asyncio", "redis", "smpplib", "sqlalchemy", "urllib3", "werkzeug")
"""Libraries whose lower levels tell addresses, statements with their values, or nothing of use."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")

access = structlog.get_logger("access")


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send every log line of this process, redacted, to the stream (standard output when none is named)."""
    shared: list[Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    stream = stream or sys.stdout
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                render_exception,
                redact_event,
                _renderer(settings, stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(True)
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread_crash


def init_app(app: Flask) -> None:
    """Give every request an id and its access line."""
    request_started.connect(_begin, app)
    request_finished.connect(_end, app)


def render_exception(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Turn exception information into a traceback: files, lines and messages, never local variables."""
    exc_info = event.pop("exc_info", None)
    if isinstance(exc_info, BaseException):
        error: BaseException | None = exc_info
    elif isinstance(exc_info, tuple):
        error = exc_info[1]
    else:
        error = sys.exc_info()[1] if exc_info else None
    if error is not None:
        event["exception"] = "".join(traceback.TracebackException.from_exception(error).format())
    return event


def redact_event(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Take everything out of the line that must not be logged."""
    return {name: redact(value, name) for name, value in event.items()}


def _renderer(settings: Settings, stream: TextIO) -> Processor:
    if settings.log_format == "console":
        return structlog.dev.ConsoleRenderer(colors=stream.isatty())
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def _begin(_app: Flask, **_: Any) -> None:
    clear_contextvars()
    g.request_began = time.perf_counter()
    g.request_id = _given_request_id() or secrets.token_hex(8)
    bind_contextvars(request_id=g.request_id)


def _given_request_id() -> str | None:
    """The id that a proxy of ours gave; from anybody else it would be a text of their choice."""
    if not request.environ.get("werkzeug.proxy_fix.orig"):
        return None
    given = request.headers.get("X-Request-ID", "")
    return given if REQUEST_ID.fullmatch(given) else None


def _end(_app: Flask, response: Response, **_: Any) -> None:
    response.headers["X-Request-ID"] = g.request_id
    rule = request.url_rule
    access.info(
        "request",
        method=request.method if request.method in METHODS else "other",
        route=rule.rule if rule else "none",
        status=response.status_code,
        ms=round((time.perf_counter() - g.request_began) * 1000, 1),
    )


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    structlog.get_logger("crash").critical("the program ends", exc_info=error)


def _log_thread_crash(crash: threading.ExceptHookArgs) -> None:
    thread = crash.thread.name if crash.thread else "unknown"
    structlog.get_logger("crash").critical("a thread ended", thread=thread, exc_info=crash.exc_value)
