"""One line for each thing that happened, with the object it happened to."""

import json
import logging
import sys
import time


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


class JsonFormatter(UtcFormatter):
    """One JSON object on each line."""

    def format(self, record: logging.LogRecord) -> str:
        """Keys: time, level, logger, object (namespace/name, where there is one), message, error."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "object": getattr(record, "object", None),
            "message": record.getMessage(),
            "error": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return json.dumps({name: value for name, value in line.items() if value is not None})


def configure(level: str, style: str) -> None:
    """Log to standard error. Kopf tells of every step it takes: only its warnings are shown, but at debug
    level."""
    handler = logging.StreamHandler(sys.stderr)
    plain = PlainFormatter("%(asctime)s %(levelname)s %(subject)s%(message)s", "%Y-%m-%dT%H:%M:%SZ")
    handler.setFormatter(JsonFormatter() if style == "json" else plain)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("kopf", "asyncio", "urllib3"):
        logging.getLogger(noisy).setLevel("DEBUG" if level == "debug" else "WARNING")
