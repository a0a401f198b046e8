"""OpenTelemetry traces: a span for each reconcile, and within it one for each request to the API server.

An extra, `operator-tracing`, and off unless --tracing-endpoint is set: nothing of it is imported before that.
"""

from __future__ import annotations

import logging
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reaper_api.vocabulary import KIND, MANAGER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.sdk.trace import TracerProvider

    from reaper_operator.key import Key
    from reaper_operator.telemetry import Told

_FLUSH_MILLISECONDS = 2000


class NoTracing(Exception):
    """Traces are asked for and cannot be had; the text says what to do."""


class Tracing:
    """A Telemetry. Names of attributes: https://opentelemetry.io/docs/specs/semconv/."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace

        self._trace = trace
        self._provider = provider
        self._tracer = provider.get_tracer("reaper_operator")

    @contextmanager
    def reconcile(self, key: Key) -> Iterator[Told]:
        names = {"k8s.namespace.name": key.namespace, "reaper.task.name": key.name}
        with self._tracer.start_as_current_span(f"reconcile {KIND}", attributes=names) as span:

            def told(result: str) -> None:
                span.set_attribute("reaper.reconcile.result", result)
                if result == "error":
                    span.set_status(self._trace.StatusCode.ERROR)

            yield told

    @contextmanager
    def request(self, method: str, path: str) -> Iterator[Told]:
        known = {"http.request.method": method, "url.template": path}
        kind = self._trace.SpanKind.CLIENT
        with self._tracer.start_as_current_span(f"{method} {path}", kind=kind, attributes=known) as span:

            def told(status: str) -> None:
                span.set_attribute("http.response.status_code", int(status))
                if int(status) >= 400:
                    span.set_status(self._trace.StatusCode.ERROR)

            yield told

    def status_written(self, change: Mapping[str, Any], task: Mapping[str, Any]) -> None:
        """The request is a span already."""

    def stop(self) -> None:
        """Send what is left, if the collector takes it within two seconds."""
        self._provider.force_flush(_FLUSH_MILLISECONDS)


class TraceId(logging.Filter):
    """Puts the id of the trace that a line was written in into the record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a line."""
        from opentelemetry import trace

        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            record.trace = trace.format_trace_id(context.trace_id)
        return True


def connect(endpoint: str) -> Tracing:
    """Send traces to a collector. `endpoint`: its base URL. Raises NoTracing."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise NoTracing(f"--tracing-endpoint needs the extra reaper-k8s[operator-tracing]: {error}") from error
    this = {"service.name": MANAGER, "service.instance.id": socket.gethostname()}
    provider = TracerProvider(resource=Resource.create(this))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracing(provider)
