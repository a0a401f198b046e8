"""Whether the API server serves ReaperTasks. Kopf looks once, and knows no other resources afterwards."""

from collections.abc import Callable

from reaper_api.vocabulary import GROUP, PLURAL, VERSION
from reaper_operator.transport import Body

Call = Callable[..., Body]
"""Transport.call."""


def tasks_are_served(call: Call) -> bool:
    """As Kopf asks: a new group is in one of these lists a moment before it is in the other. Blocking; raises a
    ClusterError."""
    groups = call("GET", "/apis", {}).get("groups") or ()
    if not any(group.get("name") == GROUP for group in groups):
        return False
    resources = call("GET", f"/apis/{GROUP}/{VERSION}", {}).get("resources") or ()
    return any(resource.get("name") == PLURAL for resource in resources)
