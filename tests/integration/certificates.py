"""A certificate authority for one test, and certificates it vouches for."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """``file`` is its own certificate, for those who are to believe it."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def made(cls, folder: Path) -> "Authority":
        """A new one that keeps its files in ``folder``."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Bell founders")
        built = _built(name, key).issuer_name(name).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        authority = cls(folder, key, built.sign(key, hashes.SHA256()))
        authority.file.write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    @property
    def file(self) -> Path:
        return self.folder / "authority.pem"

    def context(self, host: str) -> ssl.SSLContext:
        """What a server called ``host`` needs, a name or an address."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternative = x509.SubjectAlternativeName([_general(host)])
        built = _built(_name(host), key).issuer_name(self.certificate.subject).add_extension(alternative, critical=False)
        file = self.folder / "server.pem"
        file.write_bytes(_pem(key) + built.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        return context


def _built(name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    valid = x509.CertificateBuilder().not_valid_before(now - DAY).not_valid_after(now + DAY)
    return valid.subject_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
