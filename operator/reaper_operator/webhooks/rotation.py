"""When a new authority and a new certificate are made, in which order: as a decision on what the Secret holds.

An API server accepts a certificate when the authority that signed it is in `caBundle`. So a new authority goes into
the bundle first, beside the old one; only when it is there (`settled`) it signs. The old one stays until it expires,
for replicas that have not read the new certificate yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reaper_operator.webhooks import authority
from reaper_operator.webhooks.authority import Issued


@dataclass(frozen=True)
class Kept:
    """What the Secret holds, all of it PEM; empty where there is nothing."""

    bundle: bytes = b""
    """The authorities that are trusted, the newest first."""
    authority_key: bytes = b""
    """The newest one's."""
    certificate: bytes = b""
    key: bytes = b""


@dataclass(frozen=True)
class Terms:
    """How long things are valid. What has less than a third of that left is replaced."""

    authority: timedelta
    certificate: timedelta


def rotated(kept: Kept, now: datetime, terms: Terms, hosts: Sequence[str], *, settled: bool) -> Kept | None:
    """What is to be kept from now on; None if it is good as it is. `settled`: whether every API server is known to
    trust all of `kept.bundle`."""
    alive = [each for each in authority.read(kept.bundle) if each.expiry > now]
    key = kept.authority_key
    usable = bool(alive) and authority.belong_together(alive[0].pem, key)
    if not usable or _due(alive[0].expiry, now, terms.authority):
        made = authority.new_authority(now, terms.authority)
        alive[:0], key, settled = authority.read(made.certificate), made.key, False
    result = replace(kept, bundle=b"".join(each.pem for each in alive), authority_key=key)
    newest = Issued(alive[0].pem, key)
    # What no API server accepts serves nobody: then there is nothing to wait for.
    if not _works(result, now) or (settled and not _good(result, newest, now, terms, hosts)):
        given = authority.sign(newest, hosts, now, terms.certificate)
        result = replace(result, certificate=given.certificate, key=given.key)
    return None if result == kept else result


def _works(kept: Kept, now: datetime) -> bool:
    """Whether API servers accept the certificate."""
    found = next(iter(authority.read(kept.certificate)), None)
    if found is None or found.expiry <= now or not authority.belong_together(kept.certificate, kept.key):
        return False
    return any(authority.issued_by(kept.certificate, each.pem) for each in authority.read(kept.bundle))


def _good(kept: Kept, newest: Issued, now: datetime, terms: Terms, hosts: Sequence[str]) -> bool:
    """Whether it is the certificate that would be made today."""
    (found, *_) = authority.read(kept.certificate)
    if set(found.hosts) != set(hosts) or not authority.issued_by(kept.certificate, newest.certificate):
        return False
    end = authority.read(newest.certificate)[0].expiry
    return found.expiry >= end or not _due(found.expiry, now, terms.certificate)


def _due(expiry: datetime, now: datetime, life: timedelta) -> bool:
    return expiry - now < life / 3
