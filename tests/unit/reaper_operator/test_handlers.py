"""handlers.py: what Kopf may do, and that it may do no more. Its events: tests/integration/test_operator.py."""

import kopf

from reaper_operator import handlers
from reaper_operator.key import Key
from reaper_operator.sightings import Sightings
from reaper_operator.workqueue import WorkQueue
from tests.fakes.time import FakeLoop


def test_kopf_writes_nothing_and_looks_at_nothing_else() -> None:
    settings = handlers.settings(instance="reaper-operator-0", exit_timeout=25)
    assert settings.scanning.disabled
    assert settings.peering.standalone
    assert not settings.posting.enabled
    assert settings.admission.managed is None
    assert settings.watching.label_selectors["v1/pods"] == "reaper.io/task"


def test_only_events_are_handled() -> None:
    """Any other kind of handler would write annotations or finalizers."""
    registry = kopf.OperatorRegistry()
    queue = WorkQueue[Key](FakeLoop().call_later, lambda: None, base=1, limit=1)
    handlers.register(registry, queue, Sightings())
    kinds = {name: len(vars(registry)[name].get_all_handlers()) for name in vars(registry) if name != "_activities"}
    assert {name: count for name, count in kinds.items() if count} == {"_watching": 2}
