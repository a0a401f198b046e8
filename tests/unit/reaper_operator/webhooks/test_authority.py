"""authority.py: certificates, judged by OpenSSL as a client of them."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest

from reaper_operator.webhooks import authority
from reaper_operator.webhooks.authority import Issued
from reaper_operator.webhooks.tls import Shown

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
HOSTS = ("reaper-operator-webhooks.reaper-system.svc", "127.0.0.1")


@pytest.fixture(scope="module")
def root() -> Issued:
    return authority.new_authority(NOW, 2 * DAY)


def accepted(given: Issued, bundle: bytes, host: str) -> None:
    """A handshake in memory. Raises ssl.SSLError."""
    shown = Shown()
    shown.show(given.certificate, given.key)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = shown.context.wrap_bio(there, back, server_side=True)
    client = ssl.create_default_context(cadata=bundle.decode()).wrap_bio(back, there, server_hostname=host)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.getpeercert()


@pytest.mark.parametrize("host", HOSTS)
def test_a_client_accepts_it_by_each_of_its_names(root: Issued, host: str) -> None:
    accepted(authority.sign(root, HOSTS, NOW, DAY), root.certificate, host)


def test_a_client_accepts_no_other_name_and_no_other_authority(root: Issued) -> None:
    given = authority.sign(root, HOSTS, NOW, DAY)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        accepted(given, root.certificate, "elsewhere")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        accepted(given, authority.new_authority(NOW, DAY).certificate, HOSTS[0])


def test_both_authorities_of_a_bundle_count(root: Issued) -> None:
    other = authority.new_authority(NOW, DAY)
    for each in (root, other):
        accepted(authority.sign(each, HOSTS, NOW, DAY), other.certificate + root.certificate, HOSTS[0])


def test_it_does_not_outlive_its_authority(root: Issued) -> None:
    (read,) = authority.read(authority.sign(root, HOSTS, NOW, 5 * DAY).certificate)
    assert read.expiry == NOW + 2 * DAY
    assert read.hosts == HOSTS


@pytest.mark.parametrize("broken", [b"", b"none", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_none(root: Issued, broken: bytes) -> None:
    assert authority.read(broken) == []
    assert not authority.belong_together(broken, root.key)
    assert not authority.belong_together(root.certificate, broken)
    assert not authority.issued_by(broken, root.certificate)


def test_a_certificate_and_its_key() -> None:
    one, other = (authority.new_authority(NOW, DAY) for _ in range(2))
    assert authority.belong_together(*one)
    assert not authority.belong_together(one.certificate, other.key)
    assert authority.issued_by(authority.sign(one, HOSTS, NOW, DAY).certificate, one.certificate)
    assert not authority.issued_by(authority.sign(one, HOSTS, NOW, DAY).certificate, other.certificate)
