"""One line for each thing that happened, with the object it happened to."""

import json
import logging
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from reaper_operator.complaints import Complaints
from reaper_operator.words import in_words

_REQUEST = re.compile(r"Request attempt #(\d+)/(\d+) failed; (will retry|escalating): (.*?) -> ")
_VERSION = re.compile(r"&(resourceVersion|continue)=[^&]*")  # another each time
_subject: ContextVar[str | None] = ContextVar("subject", default=None)


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Whatever is logged inside, by whichever library and in whichever thread, is about this object."""
    token = _subject.set(subject)
    try:
        yield
    finally:
        _subject.reset(token)


class Subject(logging.Filter):
    """Puts the object of a line into its record, unless it is there already."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a line."""
        kopfs = getattr(record, "k8s_ref", None)  # what Kopf calls it
        subject = f"{kopfs.get('namespace')}/{kopfs.get('name')}" if kopfs else _subject.get()
        if subject is not None and not hasattr(record, "object"):
            record.object = subject
        return True


class Request(logging.Filter):
    """Kopf tells of a request that has failed with all that Python knows of the fault, as of an error, also where it
    comes again, nine times in a minute. Here it is which request, what was said, and what follows, now and then."""

    def __init__(self, complaints: Complaints) -> None:
        super().__init__()
        self._complaints = complaints

    def filter(self, record: logging.LogRecord) -> bool:
        """Drops what was told not long ago, but at debug level."""
        found = _REQUEST.match(record.getMessage()) if record.name.startswith("kopf.") else None
        error = sys.exc_info()[1]  # it says so while it handles it
        if found is not None and error is not None:
            number, of, end, request = found.groups()
            follows = f"given up after {of} tries" if end == "escalating" else f"tried again ({number} of {of})"
            text, more = f"{_VERSION.sub('', request)}: {in_words(error)}", f"; {follows}"
            due = self._complaints.due(text, more=more)
            record.msg, record.args = due or text + more, ()
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            return due is not None or logging.getLogger().isEnabledFor(logging.DEBUG)
        return True


class UtcFormatter(logging.Formatter):
    """Times in UTC, whatever the machine's zone."""

    @staticmethod
    def converter(seconds: float | None) -> time.struct_time:
        """What logging calls for the time of a record."""
        return time.gmtime(seconds)


class PlainFormatter(UtcFormatter):
    """`2026-11-23T23:24:00Z INFO default/hello: created Pod hello`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows on its own lines."""
        record.subject = f"{record.object}: " if hasattr(record, "object") else ""
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """A message may end with what a process wrote: that makes no line of its own here, and reaches no terminal."""
        record.message = "".join(c if c.isprintable() else repr(c)[1:-1] for c in record.message)
        return super().formatMessage(record)


class JsonFormatter(UtcFormatter):
    """One JSON object on each line."""

    def format(self, record: logging.LogRecord) -> str:
        """Keys: time, level, logger, object (namespace/name, where there is one), message, error, trace."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "object": getattr(record, "object", None),
            "message": record.getMessage(),
            "error": self.formatException(record.exc_info) if record.exc_info else None,
            "trace": getattr(record, "trace", None),
        }
        return json.dumps({name: value for name, value in line.items() if value is not None})


def configure(level: str, style: str, filters: Sequence[logging.Filter] = ()) -> None:
    """Log to standard error. Kopf tells of every step it takes: only its warnings are shown, but at debug
    level. `filters` may add to each record."""
    handler = logging.StreamHandler(sys.stderr)
    plain = PlainFormatter("%(asctime)s %(levelname)s %(subject)s%(message)s", "%Y-%m-%dT%H:%M:%SZ")
    handler.setFormatter(JsonFormatter() if style == "json" else plain)
    for each in (Subject(), Request(Complaints(time.monotonic)), *filters):
        handler.addFilter(each)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for noisy in ("kopf", "asyncio", "urllib3"):
        logging.getLogger(noisy).setLevel("DEBUG" if level == "debug" else "WARNING")
