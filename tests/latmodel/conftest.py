"""What holds for every test of latmodel."""

from __future__ import annotations

from hypothesis import settings

# On a shared machine a slow example says nothing about the code; and drawing a whole
# profile takes longer than testing it.
settings.register_profile("unhurried", deadline=None, max_examples=60)
settings.load_profile("unhurried")
