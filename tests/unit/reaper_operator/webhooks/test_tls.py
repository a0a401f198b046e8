"""tls.py: what is shown, and when. A whole handshake: test_authority.py."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest

from reaper_operator.webhooks import authority
from reaper_operator.webhooks.authority import Issued
from reaper_operator.webhooks.tls import Shown

LIFE = timedelta(days=1)


@pytest.fixture(scope="module")
def root() -> Issued:
    return authority.new_authority(datetime.now(UTC), LIFE)


def given(root: Issued) -> Issued:
    return authority.sign(root, ["webhooks.svc"], datetime.now(UTC), LIFE)


def seen(shown: Shown, root: Issued) -> bytes:
    """The certificate that a new connection gets."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = shown.context.wrap_bio(there, back, server_side=True)
    trusting = ssl.create_default_context(cadata=root.certificate.decode())
    client = trusting.wrap_bio(back, there, server_hostname="webhooks.svc")
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ssl.DER_cert_to_PEM_cert(client.getpeercert(binary_form=True) or b"").encode()


def test_a_new_connection_gets_the_newest(root: Issued) -> None:
    shown, one, two = Shown(), given(root), given(root)
    assert not shown.ready
    for each in (one, two):
        shown.show(*each)
        assert shown.ready
        assert seen(shown, root) == each.certificate


def test_a_broken_one_changes_nothing(root: Issued) -> None:
    shown, one = Shown(), given(root)
    shown.show(*one)
    for broken in (Issued(one.certificate, given(root).key), Issued(b"none", one.key), Issued(one.certificate, b"")):
        with pytest.raises(ssl.SSLError):
            shown.show(*broken)
    assert seen(shown, root) == one.certificate
