"""rotation.py: what is made when, and that at no moment a certificate is to be shown that nobody trusts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reaper_operator.webhooks import authority
from reaper_operator.webhooks.rotation import Kept, Terms, rotated

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
TERMS = Terms(authority=timedelta(days=9), certificate=timedelta(days=3))
HOSTS = ("webhooks.reaper-system.svc",)
HOUR = timedelta(hours=1)


def step(kept: Kept, now: datetime, *, settled: bool = True) -> Kept | None:
    return rotated(kept, now, TERMS, HOSTS, settled=settled)


def made(kept: Kept, now: datetime, *, settled: bool = True) -> Kept:
    new = step(kept, now, settled=settled)
    assert new is not None
    return new


@pytest.fixture(scope="module")
def fresh() -> Kept:
    return made(Kept(), NOW, settled=False)


def authorities(kept: Kept) -> list[bytes]:
    return [each.pem for each in authority.read(kept.bundle)]


def works(kept: Kept, bundle: bytes, now: datetime) -> bool:
    """Whether who trusts `bundle` accepts it."""
    (certificate,) = authority.read(kept.certificate)
    trusted = [each.pem for each in authority.read(bundle) if each.expiry > now]
    return certificate.expiry > now and any(authority.issued_by(kept.certificate, pem) for pem in trusted)


def test_from_nothing_everything_is_made_at_once(fresh: Kept) -> None:
    assert len(authorities(fresh)) == 1
    assert works(fresh, fresh.bundle, NOW)
    assert authority.belong_together(fresh.certificate, fresh.key)
    assert step(fresh, NOW) is None


def test_two_thirds_of_its_life_a_certificate_stays(fresh: Kept) -> None:
    assert step(fresh, NOW + timedelta(days=2)) is None
    later = NOW + timedelta(days=2) + HOUR
    new = made(fresh, later)
    assert (new.bundle, new.authority_key) == (fresh.bundle, fresh.authority_key)
    assert new.certificate != fresh.certificate
    assert step(new, later) is None


def test_a_new_authority_is_trusted_first_and_signs_later(fresh: Kept) -> None:
    later = NOW + timedelta(days=6) + HOUR
    old = made(fresh, NOW + timedelta(days=5))
    first = made(old, later)
    assert authorities(first)[1:] == authorities(old)
    assert (first.certificate, first.key) == (old.certificate, old.key)
    assert step(first, later, settled=False) is None
    second = made(first, later, settled=True)
    assert second.bundle == first.bundle
    assert authority.issued_by(second.certificate, authorities(first)[0])


def test_an_authority_goes_when_it_has_expired(fresh: Kept) -> None:
    second = made(made(made(fresh, NOW + timedelta(days=5)), NOW + timedelta(days=7)), NOW + timedelta(days=7))
    assert len(authorities(second)) == 2
    end = NOW + timedelta(days=9)
    assert authorities(made(second, end)) == authorities(second)[:1]


def test_other_names_need_another_certificate(fresh: Kept) -> None:
    assert rotated(fresh, NOW, TERMS, ("other.svc",), settled=False) is None
    new = rotated(fresh, NOW, TERMS, ("other.svc",), settled=True)
    assert new is not None
    assert authority.read(new.certificate)[0].hosts == ("other.svc",)


@pytest.mark.parametrize("name", ["bundle", "authority_key", "certificate", "key"])
@pytest.mark.parametrize("value", [b"", b"broken"])
def test_what_is_lost_is_made_again(fresh: Kept, name: str, value: bytes) -> None:
    lost = replace(fresh, **{name: value})
    new = made(lost, NOW, settled=False)
    assert works(new, new.bundle, NOW)
    assert authority.belong_together(new.certificate, new.key)
    if name == "authority_key":  # nothing is lost that is trusted
        assert authorities(new)[1:] == authorities(fresh)
        assert new.certificate == fresh.certificate


def test_two_months_hour_by_hour_and_api_servers_that_learn_late() -> None:
    """The bundle that they go by is an hour old; a replica may be shown what another wrote an hour ago."""
    kept, since = made(Kept(), NOW), NOW
    before, trusted = kept, kept.bundle
    seen = {kept.certificate}
    for hour in range(1, 24 * 60):
        now = NOW + hour * HOUR
        assert works(kept, trusted, now), hour
        assert works(before, trusted, now), hour
        assert works(before, kept.bundle, now), hour
        before, trusted = kept, kept.bundle
        new = step(kept, now, settled=now - since >= 2 * HOUR)
        if new is not None:
            since = now if new.bundle != kept.bundle else since
            kept = new
        seen.add(kept.certificate)
    assert len(seen) > 24
