"""tracing.py: spans, and the trace in each line of the log."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from reaper_operator.key import Key
from reaper_operator.tracing import NoTracing, TraceId, Tracing, connect

KEY = Key("default", "hello")
POD = "/api/v1/namespaces/{namespace}/pods/{name}"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> Tracing:
    """Without its hook, which starts a thread in every child that this process forks from then on.

    The runtime's tests fork children with one thread, as the runtime does: setns(2) refuses others a mount namespace.
    """
    with monkeypatch.context() as made:
        made.setattr(TracerProvider, "_handle_fork", lambda _self: None)
        provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider)


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


async def test_a_request_is_part_of_its_reconcile_whatever_thread_it_is_made_in(
    tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    def ask() -> None:
        with tracing.request("GET", POD) as told:
            told("200")

    with tracing.reconcile(KEY) as told:
        await asyncio.to_thread(ask)
        told("success")
    found = spans(exporter)
    request, reconcile = found[f"GET {POD}"], found["reconcile ReaperTask"]
    parent, context = request.parent, reconcile.get_span_context()
    assert parent is not None
    assert context is not None
    assert parent.span_id == context.span_id
    assert request.kind is SpanKind.CLIENT
    assert dict(request.attributes or {}) == {
        "http.request.method": "GET",
        "url.template": POD,
        "http.response.status_code": 200,
    }
    assert dict(reconcile.attributes or {}) == {
        "k8s.namespace.name": "default",
        "reaper.task.name": "hello",
        "reaper.reconcile.result": "success",
    }
    assert request.status.status_code is reconcile.status.status_code is StatusCode.UNSET


def test_what_fails_is_marked(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    with tracing.reconcile(KEY) as told:
        with tracing.request("POST", POD) as answered:
            answered("503")
        told("error")
    with pytest.raises(OSError, match="no route"), tracing.request("GET", "/x"):
        raise OSError("no route")
    assert {span.status.status_code for span in spans(exporter).values()} == {StatusCode.ERROR}
    assert [event.name for event in spans(exporter)["GET /x"].events] == ["exception"]


def test_a_line_of_the_log_knows_its_trace(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    inside, outside = (logging.LogRecord("x", logging.INFO, "x.py", 1, "hi", (), None) for _ in range(2))
    with tracing.reconcile(KEY):
        assert TraceId().filter(inside)
    assert TraceId().filter(outside)
    (span,) = exporter.get_finished_spans()
    context = span.get_span_context()
    assert context is not None
    assert inside.__dict__["trace"] == f"{context.trace_id:032x}"
    assert "trace" not in outside.__dict__


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(NoTracing, match=r"--tracing-endpoint needs the extra reaper-k8s\[operator-tracing\]: "):
        connect("http://127.0.0.1:1")


def test_a_collector_that_is_away_holds_nothing_up() -> None:
    """In a process of its own: the exporter starts a thread in whatever its process forks, for ever."""
    program = """
from reaper_operator.tracing import connect

tracing = connect("http://127.0.0.1:1/")
tracing.status_written({}, {})
tracing.stop()
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=30, check=False)
    assert ended.returncode == 0
