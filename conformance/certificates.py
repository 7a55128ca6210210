"""Certificates for a run: one for the host, one for each client that authenticates by TLS."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

DAYS = 30


def self_signed(name: str) -> tuple[str, str]:
    """A certificate for this name and its key, both PEM; TLS profiles of FAPI ask for RSA of 2048 bits or more."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = datetime.now(UTC) - timedelta(hours=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    clear = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem).decode(), clear.decode()


def write_certificate(certificate: Path, key: Path, name: str) -> None:
    """Write both to files, unless they are there."""
    if not certificate.exists():
        cert, clear = self_signed(name)
        certificate.write_text(cert, encoding="ascii")
        key.touch(mode=0o600)
        key.write_text(clear, encoding="ascii")
