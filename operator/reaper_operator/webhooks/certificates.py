"""The certificate of this replica: where it comes from, and when it is shown."""

import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from reaper_operator.transport import Body
from reaper_operator.webhooks.registration import Stored, trusts
from reaper_operator.webhooks.rotation import Kept, Terms, rotated

logger = logging.getLogger(__name__)


class NoCertificate(Exception):
    """There is none to be shown; one sentence says why."""


class Cluster(Protocol):
    """The part of a Registration that is asked. See there."""

    def configurations(self) -> list[tuple[str, Body]]: ...

    def stored(self) -> Stored: ...

    def store(self, kept: Kept, version: str) -> None: ...

    def trust(self, path: str, configuration: Body, bundle: bytes) -> None: ...


class Display(Protocol):
    """The part of Shown that is asked. See there."""

    def show(self, certificate: bytes, key: bytes) -> None: ...


@dataclass(frozen=True)
class Source:
    """Who makes certificates, and who tells API servers to trust them."""

    makes: bool
    """We make them."""
    registers: bool
    """We put the Secret's ca.crt into the configurations."""
    hosts: Sequence[str]
    terms: Terms
    settle: timedelta
    """From a change of a configuration until every API server goes by it."""


class Seen(NamedTuple):
    """Something, and since when."""

    what: object
    since: float


class Certificates:
    """One look after the other brings Secret, configurations and what is shown to where they belong.

    All replicas look, and each does what is to be done: whoever comes second at an object meets a Conflict, and looks
    again. The configurations are read before the Secret and written at the version that was read, so nobody puts an
    older bundle over a newer one.
    """

    def __init__(
        self,
        source: Source,
        cluster: Cluster,
        display: Display,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._source, self._cluster, self._display = source, cluster, display
        self._now, self._monotonic = now, monotonic
        self._trusted = Seen(None, 0.0)
        self._offered = Seen(None, 0.0)
        self._shown: tuple[bytes, bytes] | None = None

    def look(self) -> bool:
        """One look; whether something was changed, and another one is due. Raises a ClusterError, which the next look
        may not meet, and NoCertificate if there is nothing to be shown yet."""
        source = self._source
        configurations = self._cluster.configurations() if source.registers else []
        kept, version = self._cluster.stored()
        if source.makes:
            settled = self._is_settled(kept.bundle, configurations)
            new = rotated(kept, self._now(), source.terms, source.hosts, settled=settled)
            if new is not None:
                self._cluster.store(new, version)
                logger.info("the webhooks have a new %s", _what(kept, new))
                return True
        changed = self._register(kept.bundle, configurations)
        self._show(kept)
        return changed

    def _is_settled(self, bundle: bytes, configurations: list[tuple[str, Body]]) -> bool:
        if not all(trusts(configuration, bundle) for _, configuration in configurations):
            self._trusted = Seen(None, 0.0)
            return False
        self._trusted = self._since(self._trusted, bundle)
        return self._monotonic() - self._trusted.since >= self._source.settle.total_seconds()

    def _register(self, bundle: bytes, configurations: list[tuple[str, Body]]) -> bool:
        stale = [each for each in configurations if bundle and not trusts(each[1], bundle)]
        for path, configuration in stale:
            self._cluster.trust(path, configuration, bundle)
        return bool(stale)

    def _show(self, kept: Kept) -> None:
        """Our own at once: the authority was trusted before. Somebody else's when API servers had the time to learn of
        it, unless there is none that they trust now."""
        pair = (kept.certificate, kept.key)
        if pair == self._shown:
            return
        if not all(pair):
            raise NoCertificate("the Secret has no tls.crt and tls.key")
        self._offered = self._since(self._offered, pair)
        waited = self._monotonic() - self._offered.since >= self._source.settle.total_seconds()
        if self._source.makes or self._shown is None or waited:
            try:
                self._display.show(*pair)
            except (ssl.SSLError, ValueError) as error:
                raise NoCertificate(f"tls.crt and tls.key of the Secret are not taken: {error}") from error
            self._shown = pair

    def _since(self, seen: Seen, what: object) -> Seen:
        return seen if seen.what == what else Seen(what, self._monotonic())


def _what(before: Kept, after: Kept) -> str:
    parts = (("authority", before.authority_key != after.authority_key), ("certificate", before.key != after.key))
    return " and a new ".join(name for name, changed in parts if changed) or "bundle: an authority has expired"
