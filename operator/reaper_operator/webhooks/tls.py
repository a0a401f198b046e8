"""The certificate that the webhooks' server shows, replaced while it serves."""

import os
import ssl
from typing import Any


class Shown:
    """Each new connection gets the newest certificate; those that are open go on with theirs."""

    def __init__(self) -> None:
        self._current: ssl.SSLContext | None = None
        # The port is bound once and for all: a listener that is closed and opened again refuses who comes in between.
        self.context = _context()
        self.context.sni_callback = self._choose

    @property
    def ready(self) -> bool:
        """Whether there is a certificate."""
        return self._current is not None

    def show(self, certificate: bytes, key: bytes) -> None:
        """From now on. ssl.SSLError if they are broken or do not belong together: all is as before then."""
        context = _context()
        # The standard library takes names of files only, and there is no writable directory.
        file = os.memfd_create("certificate", os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(file), "wb") as writer:
                writer.write(certificate.rstrip() + b"\n" + key)
            context.load_cert_chain(f"/proc/self/fd/{file}")
        finally:
            os.close(file)
        self._current = context

    def _choose(self, connection: Any, _name: str | None, _base: ssl.SSLContext) -> None:
        """What OpenSSL asks at the beginning of a handshake, also where the client names no server."""
        if self._current is not None:
            connection.context = self._current


def _context() -> ssl.SSLContext:
    return ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
