"""Certificates: an authority of our own, and the certificate that it gives to the webhooks' server.

The only module that imports `cryptography`, which is an extra and loaded only where the operator makes certificates.
"""

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SKEW = timedelta(minutes=5)  # an API server's clock may be behind ours


class Issued(NamedTuple):
    """A certificate and its private key, as PEM."""

    certificate: bytes
    key: bytes


def new_authority(now: datetime, life: timedelta) -> Issued:
    """A certificate authority with a name of its own, valid from a moment ago and for `life` from now."""
    key, serial = ec.generate_private_key(ec.SECP256R1()), x509.random_serial_number()
    name = _name(f"reaper webhooks {serial:x}"[:64])
    builder = _builder(name, name, key.public_key(), serial, now, now + life)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return _issued(builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256()), key)


def sign(authority: Issued, hosts: Sequence[str], now: datetime, life: timedelta) -> Issued:
    """A certificate for a server by these names and addresses. It does not outlive its authority."""
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    signer = _private(authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    end = min(now + life, issuer.not_valid_after_utc)
    name = _name("reaper webhooks")  # who reads it looks at the alternative names only
    builder = _builder(name, issuer.subject, key.public_key(), x509.random_serial_number(), now, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False)
    signed_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return _issued(builder.add_extension(signed_by, critical=False).sign(signer, hashes.SHA256()), key)


class Certificate(NamedTuple):
    """What is asked of a certificate."""

    pem: bytes
    expiry: datetime
    hosts: tuple[str, ...]
    """Names and addresses that it is for."""


def read(pem: bytes) -> list[Certificate]:
    """The certificates of a bundle, in its order. None if it is none, or broken."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []
    return [Certificate(_pem(each), each.not_valid_after_utc, tuple(_hosts(each))) for each in found]


def belong_together(certificate: bytes, key: bytes) -> bool:
    """Whether it is the private key of this certificate, of a kind that we make."""
    try:
        return x509.load_pem_x509_certificate(certificate).public_key() == _private(key).public_key()
    except (ValueError, TypeError):
        return False


def issued_by(certificate: bytes, authority: bytes) -> bool:
    """Whether the authority has signed this certificate."""
    try:
        one, other = x509.load_pem_x509_certificate(certificate), x509.load_pem_x509_certificate(authority)
        one.verify_directly_issued_by(other)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the key is not of an elliptic curve: we did not make it")
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, serial: int, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(issuer, subject, key, serial)
    return builder.not_valid_before(now - SKEW).not_valid_after(end)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _hosts(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _issued(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Issued(_pem(certificate), private)
