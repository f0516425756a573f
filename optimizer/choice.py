"""Which of several models, image sizes or batches: what was tried, what was chosen, and why."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.errors import ScheduleError
from optimizer.plan import Plan

__all__ = ["Candidate", "Choice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One of those that were tried.

    Attributes:
        name: what sets it apart, in words.
        model: timm's name.
        batch: images per call.
        image_size: the side in pixels; None for the model's own.
        plan: its best within the budget, else its fastest; None where it was refused.
        dense_macs: multiply-adds of one image with every token kept; 0 where refused.
        kept_macs: of one image by the plan; 0 where refused.
        top1: its accuracy uncut, as the user gave it; None where it was not given.
        refused: why there is no plan; "" where there is one.
    """

    name: str
    model: str
    batch: int
    image_size: int | None
    plan: Plan | None
    dense_macs: int = 0
    kept_macs: int = 0
    top1: float | None = None
    refused: str = ""

    @property
    def within_budget(self) -> bool:
        """Whether it has a plan that meets the budget."""
        return self.plan is not None and not self.plan.status.over_budget

    @property
    def kept_fraction(self) -> float:
        """Tokens that its plan keeps, as a fraction of all; 0 where refused."""
        return 0.0 if self.plan is None else self.plan.kept_fraction

    @property
    def images_per_second(self) -> float:
        """By its plan, batch after batch; 0 where refused."""
        return 0.0 if self.plan is None else self.batch * 1e9 / self.plan.predicted_ns

    def to_dict(self) -> dict[str, object]:
        """As plain values; latencies in ms."""
        values: dict[str, object] = {
            "name": self.name,
            "model": self.model,
            "batch": self.batch,
            "image_size": self.image_size,
            "refused": self.refused,
            "top1": self.top1,
        }
        if self.plan is not None:
            values |= {
                "status": self.plan.status.value,
                "dense_ms": self.plan.dense_ms,
                "predicted_ms": self.plan.predicted_ms,
                "images_per_second": round(self.images_per_second, 3),
                "kept_fraction": round(self.kept_fraction, 6),
                "dense_macs": self.dense_macs,
                "kept_macs": self.kept_macs,
                "tokens": list(self.plan.schedule.tokens),
            }
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """All candidates and the one that a written rule prefers.

    Attributes:
        candidates: in the order they were given; refused ones too.
        place: of the chosen one among them.
        least_kept: the share of its tokens that a candidate should keep.
        satisfied: whether the chosen one meets the budget, and what else was asked for.
        rule: how was chosen, a sentence.
        verdict: why the chosen one was, a sentence.

    Raises:
        ScheduleError: the chosen candidate has no plan.
    """

    candidates: tuple[Candidate, ...]
    place: int
    least_kept: float
    satisfied: bool
    rule: str
    verdict: str

    def __post_init__(self) -> None:
        if self.candidates[self.place].plan is None:
            raise ScheduleError(f"{self.candidates[self.place].name} has no plan to choose")

    @property
    def chosen(self) -> Candidate:
        """The preferred candidate."""
        return self.candidates[self.place]

    @property
    def plan(self) -> Plan:
        """The preferred candidate's plan."""
        plan = self.chosen.plan
        assert plan is not None, "checked when it was made"  # noqa: S101
        return plan

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {
            "chosen": self.chosen.name,
            "satisfied": self.satisfied,
            "least_kept": self.least_kept,
            "rule": self.rule,
            "verdict": self.verdict,
            "candidates": [candidate.to_dict() for candidate in self.candidates],
        }
