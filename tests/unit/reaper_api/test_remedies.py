"""remedies.py: what helps, said once."""

import pytest

from reaper_api.remedies import of_refusal, of_unscheduled


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("pods is forbidden: exceeded quota: few", "kubectl describe quota -n ops"),
        (
            'violates PodSecurity "baseline:latest"',
            "kubectl label namespace ops pod-security.kubernetes.io/enforce=privileged --overwrite",
        ),
        ("the namespace wants the label reaper.io/allow", "kubectl label namespace ops reaper.io/allow=true"),
        ("allow it with: kubectl label namespace ops reaper.io/allow=true --overwrite", None),
        ("a webhook said no", None),
    ],
)
def test_a_refusal(message: str, remedy: str | None) -> None:
    assert of_refusal(message, "ops") == remedy


def test_a_scheduler_that_speaks_of_something_else() -> None:
    assert of_unscheduled("0/1 nodes are available: 1 Insufficient cpu.", "n1") is None
