"""How long an example of Hypothesis takes says nothing: the machine may do other things too."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")  # --hypothesis-profile is stronger
