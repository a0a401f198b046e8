"""Metrics whose labels have one value each: what is left is a number."""

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CONTROLLER = "reapertask"


def counter(registry: CollectorRegistry, name: str, meaning: str, labels: Mapping[str, str]) -> Counter:
    """A number that grows."""
    return Counter(name, meaning, list(labels), registry=registry).labels(**labels)


def gauge(registry: CollectorRegistry, name: str, meaning: str, labels: Mapping[str, str]) -> Gauge:
    """A number that is set."""
    return Gauge(name, meaning, list(labels), registry=registry).labels(**labels)


def looked_up(
    registry: CollectorRegistry, name: str, meaning: str, labels: Mapping[str, str], value: Callable[[], float]
) -> None:
    """A number that is found when somebody asks."""
    gauge(registry, name, meaning, labels).set_function(value)


def histogram(
    registry: CollectorRegistry, name: str, meaning: str, labels: Mapping[str, str], buckets: Sequence[float]
) -> Histogram:
    """How long things take, in seconds."""
    return Histogram(name, meaning, list(labels), buckets=buckets, registry=registry).labels(**labels)
