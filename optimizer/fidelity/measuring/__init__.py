"""Measures what cuts cost: the only part of fidelity that runs a model."""

from optimizer.fidelity.measuring.correcting import Corrected, Round, correct
from optimizer.fidelity.measuring.digests import digest_of_weights
from optimizer.fidelity.measuring.scheduled import ScheduleDamage, measure_schedules
from optimizer.fidelity.measuring.table import counts_to_measure, is_of, measure_damage

__all__ = [
    "Corrected",
    "Round",
    "ScheduleDamage",
    "correct",
    "counts_to_measure",
    "digest_of_weights",
    "is_of",
    "measure_damage",
    "measure_schedules",
]
