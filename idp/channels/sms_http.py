"""SMS through a gateway's HTTP interface: ready settings for eCall and ASPSMS, or any other described by settings.

The two sets of settings follow what the vendors document; they are tested against fakes of our own, not against the
vendors (decision 31). Send yourself one SMS before you rely on them.
"""

import json
import re
import ssl
from collections.abc import Mapping
from typing import Any
from typing import Literal
from urllib.parse import urlencode
from urllib.parse import urlsplit

import urllib3
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError

from ..message import Channel
from ..message import Message
from ..message import Permanent
from ..message import Temporary
from ..message import Unreachable
from ..message import Unsure
from ..settings import LOOPBACK
from ..settings import BadSetting
from ..settings import Settings

LONGEST_ANSWER = 64 * 1024
PLACE = re.compile(r"\{(to|to_digits|to_00|text|sender|username|password|id)\}")
NEVER = {400, 422}
"""The gateway understood the request and refuses what it says; other refusals are ours or theirs to mend."""


class Success(BaseModel):
    """How an answer says that the SMS was taken; everything given must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: tuple[int, ...] = (200, 201, 202)
    contains: str | None = None
    """Text somewhere in the answer."""
    values: dict[str, str | int | bool] = Field(default_factory=dict)
    """Members of a JSON answer and what they must be."""


class Question(BaseModel):
    """One request to a gateway; `{to}`, `{text}`, `{sender}` … are filled in wherever they stand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    method: Literal["POST", "PUT"] = "POST"  # never GET: the password and the code would stand in logs of addresses
    format: Literal["json", "form"] = "json"
    auth: Literal["none", "basic"] = "none"
    headers: dict[str, str] = Field(default_factory=dict)
    fields: dict[str, Any] = Field(default_factory=dict)
    success: Success = Success()


GATEWAYS: Mapping[str, Mapping[str, Question]] = {
    "ecall": {  # developer.ecall-messaging.com, REST API, version 2
        "send": Question(
            url="https://rest.ecall.ch/api/v2/message",
            auth="basic",
            fields={"channel": "Sms", "from": "{sender}", "to": "{to}", "content": {"type": "Text", "text": "{text}"}},
        ),
    },
    "aspsms": {  # json.aspsms.com: every answer is 200, the member StatusCode tells
        "send": Question(
            url="https://json.aspsms.com/SendSimpleTextSMS",
            fields={
                "UserName": "{username}",
                "Password": "{password}",
                "Originator": "{sender}",
                "Recipients": ["{to}"],
                "MessageText": "{text}",
            },
            success=Success(values={"StatusCode": "1"}),
        ),
        "check": Question(
            url="https://json.aspsms.com/CheckCredits",
            fields={"UserName": "{username}", "Password": "{password}"},
            success=Success(values={"StatusCode": "1"}),
        ),
    },
}
"""Plain data; `sms_url` replaces the address, for a vendor's other host."""


class SmsHttp(Channel):
    """One request an SMS, over TLS that is verified, without following redirects."""

    name = "sms_http"
    media = frozenset({"sms"})

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._send, self._check = _questions(settings)
        _refuse_unsafe(self._send.url)
        if settings.sms_gateway != "generic" and not (settings.sms_username and settings.sms_password):
            raise BadSetting("IDP_SMS_USERNAME, IDP_SMS_PASSWORD: the gateway needs both.")
        self._pool = urllib3.PoolManager(
            ssl_context=ssl.create_default_context(),
            timeout=urllib3.Timeout(connect=settings.sms_timeout, read=settings.sms_timeout),
            retries=False,
        )

    def send(self, message: Message) -> None:
        self._ask(self._send, message)

    def check(self) -> str:
        where = urlsplit(self._send.url).netloc
        if self._check is not None:
            self._ask(self._check, None)
            return f"{where} answers and knows the account."
        try:
            self._pool.request("HEAD", f"{urlsplit(self._send.url).scheme}://{where}/", redirect=False).close()
        except (HTTPError, OSError) as trouble:
            raise Unreachable(f"not reached: {type(trouble).__name__}") from None
        return f"{where} answers; whether it knows the account, the first SMS tells."

    def close(self) -> None:
        self._pool.clear()

    def _ask(self, question: Question, message: Message | None) -> None:
        filling = self._filling(message)
        body, kind = _body(question, filling)
        headers = {"Content-Type": kind, "Accept": "application/json, text/plain;q=0.9", "User-Agent": "vpk-idp"}
        headers |= {name: _filled(value, filling) for name, value in question.headers.items()}
        if question.auth == "basic":
            headers |= urllib3.make_headers(basic_auth=f"{filling['username']}:{filling['password']}")
        _judge(question.success, *self._request(question, body, headers))

    def _request(self, question: Question, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, str]:
        try:
            answer = self._pool.request(
                question.method, question.url, body=body, headers=headers, redirect=False, preload_content=False
            )
            try:
                data = answer.read(LONGEST_ANSWER)
            finally:
                answer.close()
        except (ReadTimeoutError, ProtocolError) as trouble:
            raise Unsure(f"no answer: {type(trouble).__name__}") from None
        except (HTTPError, OSError) as trouble:
            raise Unreachable(f"not reached: {type(trouble).__name__}") from None
        return answer.status, data, answer.headers.get("Retry-After", "")

    def _filling(self, message: Message | None) -> dict[str, str]:
        settings = self.settings
        to = message.to if message else ""
        return {
            "to": to,
            "to_digits": to.removeprefix("+"),
            "to_00": to.replace("+", "00", 1),
            "text": message.text if message else "",
            "sender": settings.sms_sender,
            "username": settings.sms_username or "",
            "password": settings.sms_password.get_secret_value() if settings.sms_password else "",
            "id": message.id if message else "",
        }


def _questions(settings: Settings) -> tuple[Question, Question | None]:
    ready = GATEWAYS.get(settings.sms_gateway)
    if ready is not None:
        other = {"url": settings.sms_url} if settings.sms_url else {}
        check = ready.get("check") if not settings.sms_url else None
        return ready["send"].model_copy(update=other), check
    if not settings.sms_url:
        raise BadSetting("IDP_SMS_URL: it is not set; give the gateway's address, or set IDP_SMS_GATEWAY.")
    try:
        question = Question(url=settings.sms_url, **settings.sms_request)
    except (ValidationError, TypeError) as error:
        problems = error.errors() if isinstance(error, ValidationError) else [{"loc": ("url",), "msg": "not here"}]
        what = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)
        raise BadSetting(f"IDP_SMS_REQUEST: {what}.") from None
    places = set(PLACE.findall(json.dumps(question.fields)))
    if "text" not in places or not places & {"to", "to_digits", "to_00"}:
        raise BadSetting("IDP_SMS_REQUEST: fields must say where {to} and {text} go.")
    return question, None


def _refuse_unsafe(url: str) -> None:
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in {"https", "http"}:
        raise BadSetting("IDP_SMS_URL: give the full address, for example https://gateway.example/send.")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise BadSetting("IDP_SMS_URL: use https; codes and the password would travel in clear.")


def _body(question: Question, filling: Mapping[str, str]) -> tuple[bytes, str]:
    fields = _filled_in(question.fields, filling)
    if question.format == "form":
        return urlencode(fields, doseq=True).encode(), "application/x-www-form-urlencoded; charset=utf-8"
    return json.dumps(fields, ensure_ascii=False).encode(), "application/json; charset=utf-8"


def _filled_in(value: Any, filling: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _filled(value, filling)
    if isinstance(value, dict):
        return {name: _filled_in(each, filling) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled_in(each, filling) for each in value]
    return value


def _filled(text: str, filling: Mapping[str, str]) -> str:
    return PLACE.sub(lambda place: filling[place[1]], text)


def _judge(success: Success, status: int, data: bytes, retry_after: str) -> None:
    """Nothing, if the SMS was taken; the gateway's own words are not repeated, they may hold the number."""
    if status in success.status:
        return _judge_answer(success, data)
    reason = f"HTTP {status}"
    if status == 504:  # a proxy stopped waiting for a gateway that may have taken it
        raise Unsure(reason)
    if status in NEVER:
        raise Permanent(reason)
    if status in {429, 503}:
        raise Unreachable(reason, after=min(float(retry_after), 3600) if retry_after.isdecimal() else 0)
    raise Temporary(reason)


def _judge_answer(success: Success, data: bytes) -> None:
    if success.contains is not None and success.contains.encode() not in data:
        raise Temporary("refused: the answer lacks the word of success")
    if not success.values:
        return
    try:
        answer = json.loads(data)
    except ValueError:
        raise Temporary("refused: the answer is not JSON") from None
    for name, wanted in success.values.items():
        given = answer.get(name) if isinstance(answer, dict) else None
        if str(given) != str(wanted):
            shown = str(given)[:14] if str(given).isdecimal() else "something else"  # words might hold the number
            raise Temporary(f"refused: {name} is {shown}")
