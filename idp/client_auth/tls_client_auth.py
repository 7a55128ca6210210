"""tls_client_auth: a certificate of an authority that the proxy in front trusts (RFC 8705 §2.1).

The proxy followed the chain and says so; here the certificate's name is held against the one registered.
"""

import ipaddress

from authlib.oauth2.rfc6749 import OAuth2Request
from cryptography import x509

from .. import client_certificate
from ..client_auth_method import FindClient
from ..client_auth_method import is_name_alone
from ..models import Client

NAME = "tls_client_auth"
EVIDENCE = "name"


def is_presented(request: OAuth2Request) -> bool:
    """A name, and a certificate."""
    return is_name_alone(request) and client_certificate.presented(request.headers) is not None


def authenticate(request: OAuth2Request, find_client: FindClient) -> Client | None:
    """The client of that name, if the certificate is verified and names it, too."""
    certificate = client_certificate.presented(request.headers)
    client = find_client(request.form["client_id"])
    if certificate is None or client is None or not client_certificate.is_verified(request.headers):
        return None
    return client if _names(certificate, client) else None


def _names(certificate: x509.Certificate, client: Client) -> bool:
    """Everything registered of subject and alternative names is there, and something is (RFC 8705 §2.1.2)."""
    found = []
    if client.tls_client_auth_subject_dn:
        found.append(_has_subject(certificate, client.tls_client_auth_subject_dn))
    if client.tls_client_auth_san_dns:
        names = [str(each).lower() for each in _alternatives(certificate, x509.DNSName)]
        found.append(client.tls_client_auth_san_dns.lower() in names)
    if client.tls_client_auth_san_uri:
        found.append(client.tls_client_auth_san_uri in _alternatives(certificate, x509.UniformResourceIdentifier))
    if client.tls_client_auth_san_ip:
        found.append(_address(client.tls_client_auth_san_ip) in _alternatives(certificate, x509.IPAddress))
    if client.tls_client_auth_san_email:
        found.append(client.tls_client_auth_san_email in _alternatives(certificate, x509.RFC822Name))
    return bool(found) and all(found)


def _has_subject(certificate: x509.Certificate, registered: str) -> bool:
    """Names are compared part by part: how they are written is nobody's business (RFC 4514 §1)."""
    try:
        return certificate.subject == client_certificate.read_subject(registered)
    except ValueError:
        return False


def _alternatives(certificate: x509.Certificate, kind: type[x509.GeneralName]) -> list[object]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return []
    return [each.value for each in names if isinstance(each, kind)]


def _address(text: str) -> object:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return text
