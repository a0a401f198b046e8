"""What a replica counts, for Prometheus. Names are those of controller-runtime and client-go where these have one.

No label ever holds the name of a task: each would be a time series of its own.
"""

from reaper_operator.metrics.registry import Metrics

__all__ = ["Metrics"]
