"""The certificate that a client showed in the TLS handshake, as the reverse proxy in front passes it on (RFC 8705).

The proxy ends TLS, so it alone knows. It must delete the header from what clients send, in both spellings (servers read
`X_Client_Cert` as `X-Client-Cert`), and set it itself; without the setting, nobody reads it. Three forms are known:
`:base64:` of RFC 9440, PEM in percent-encoding (nginx, `$ssl_client_escaped_cert`), and base64 alone (HAProxy).
"""

import base64
import binascii
import hashlib
import re
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization import PublicFormat
from cryptography.x509.oid import NameOID
from werkzeug.datastructures import Headers

from .provider import provider

VERIFIED = "SUCCESS"
"""How proxies say that the chain leads to an authority of theirs (nginx, `$ssl_client_verify`)."""
MAX_LENGTH = 16 * 1024

_PEM_LINES = re.compile(r"-----(?:BEGIN|END) CERTIFICATE-----|\s")
_SEPARATOR = re.compile(r"(?<!\\) *(?<!\\)([,+]) *")
_ATTRIBUTE = re.compile(r"(^|(?<!\\)[,+])([A-Za-z][A-Za-z0-9-]*) *= *")
_MORE_ATTRIBUTES = {
    "E": NameOID.EMAIL_ADDRESS,
    "EMAILADDRESS": NameOID.EMAIL_ADDRESS,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
    "SN": NameOID.SURNAME,
    "GN": NameOID.GIVEN_NAME,
    "ORGANIZATIONIDENTIFIER": NameOID.ORGANIZATION_IDENTIFIER,
    "BUSINESSCATEGORY": NameOID.BUSINESS_CATEGORY,
    "JURISDICTIONC": NameOID.JURISDICTION_COUNTRY_NAME,
}
"""Names beside those of RFC 4514 §3; any other attribute is written as its dotted number."""


def presented(headers: Headers) -> x509.Certificate | None:
    """The certificate of whoever sent this request; None without one, and where what came is none."""
    name = provider.settings.client_certificate_header
    value = headers.get(name, "") if name else ""
    return _read(value) if 0 < len(value) <= MAX_LENGTH else None


def is_verified(headers: Headers) -> bool:
    """Whether the proxy says that it followed the chain to an authority it trusts."""
    name = provider.settings.client_certificate_verified_header
    return name is not None and headers.get(name) == VERIFIED


def thumbprint(certificate: x509.Certificate) -> str:
    """What a bound token says of it: `x5t#S256` (RFC 8705 §3.1)."""
    digest = hashlib.sha256(der(certificate)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def der(certificate: x509.Certificate) -> bytes:
    """The certificate's bytes."""
    return certificate.public_bytes(Encoding.DER)


def public_key(certificate: x509.Certificate) -> bytes | None:
    """The bytes of its key, to compare; None for a kind of key that nobody here knows."""
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return None


def read_subject(text: str) -> x509.Name:
    """A subject as an operator writes it (RFC 4514 §3), also with spaces after commas; raises `ValueError`."""
    joined = _SEPARATOR.sub(r"\1", text.strip())
    named = _ATTRIBUTE.sub(lambda found: f"{found[1]}{found[2].upper()}=", joined)
    return x509.Name.from_rfc4514_string(named, _MORE_ATTRIBUTES)


def _read(value: str) -> x509.Certificate | None:
    encoded = value[1:-1] if value.startswith(":") and value.endswith(":") else _PEM_LINES.sub("", unquote(value))
    try:
        return x509.load_der_x509_certificate(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return None
