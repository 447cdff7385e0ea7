"""A throw-away certificate: TLS between two ends of one machine, which costs what it costs."""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from voice.errors import UsageError

HOST = "localhost"
"""The name that the certificate is for."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Both ends of a connection."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def throw_away_tls() -> Tls:
    """Contexts for a server on this machine and its clients. Raises `UsageError`.

    The key is P-256, as most servers on the web have; it touches the disk only while it is loaded.
    """
    key, certificate = _key_and_certificate()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "both.pem"
        path.touch(mode=0o600)
        path.write_bytes(key + certificate)
        server.load_cert_chain(path)
    client = ssl.create_default_context(cadata=certificate.decode())
    return Tls(server, client)


def _key_and_certificate() -> tuple[bytes, bytes]:
    """In PEM."""
    try:
        from cryptography import x509  # noqa: PLC0415 (nothing else needs it)
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            "TLS needs a certificate, and the package `cryptography` that makes it is missing",
            "install it, or measure without TLS: --no-tls",
        ) from None
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    names = [x509.DNSName(HOST), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(encoding)
