"""The written rules by which one candidate is preferred to others."""

from __future__ import annotations

from optimizer.choice import Candidate, Choice

__all__ = ["LEAST_KEPT", "prefer_batch", "prefer_model"]

LEAST_KEPT = 0.7
"""The share of its tokens above which a model is taken to be nearly as good as uncut.

Source: EViT at keep rate 0.7 keeps 64 % over all blocks and loses 0.3 of 79.8 points on
DeiT-S (Liang et al. 2022, arXiv:2202.07800), where DeiT-B is 2 above DeiT-S; but a heavily
pruned ViT-B/16 (80.19 %, 3.99 ms) loses to an unpruned ViT-B/32 (80.68 %, 3.87 ms) in
Torch-Pruning's own table."""


def prefer_model(
    candidates: tuple[Candidate, ...], *, least_kept: float, budget_ns: int
) -> Choice:
    """The largest model that keeps enough, else the one that keeps most, else the fastest.

    Args:
        candidates: at least one with a plan.
        least_kept: the share of its tokens that a model should keep.
        budget_ns: what the plans were to meet, for the verdict.
    """
    within = [c for c in candidates if c.within_budget]
    enough = [c for c in within if _keeps(c, least_kept)]
    budget = f"{budget_ns / 1e6:.2f} ms"
    if enough:
        chosen = max(enough, key=lambda c: (c.dense_macs, c.kept_fraction, -_predicted(c)))
        several = "the only one that keeps" if len(enough) == 1 else (
            f"the largest of {len(enough)} that keep"
        )  # fmt: skip
        why = (
            f"{chosen.name}: {several} at least {least_kept:.0%} of the tokens within "
            f"{budget}; it keeps {chosen.kept_fraction:.1%}"
        )
    elif within:
        chosen = _keeping_most(within)
        why = (
            f"{chosen.name}: none keeps {least_kept:.0%} of its tokens within {budget}, and it "
            f"keeps most, {chosen.kept_fraction:.1%}; a smaller model uncut may well be better"
        )
    else:
        chosen, why = _fastest(candidates, budget)
    return Choice(
        candidates=candidates,
        place=candidates.index(chosen),
        least_kept=least_kept,
        satisfied=bool(within),
        rule=(
            "the largest (by multiply-adds of the uncut model) that keeps at least "
            f"{least_kept:.0%} of its tokens within the budget; where none does, the one that "
            "keeps the largest share; of equals the one that keeps more, then the faster"
        ),
        verdict=why,
    )


def prefer_batch(
    candidates: tuple[Candidate, ...], *, least_kept: float, budget_ns: int
) -> Choice:
    """The most images per second of those that keep enough; else as `prefer_model`.

    Args:
        candidates: at least one with a plan.
        least_kept: the share of the tokens that must stay.
        budget_ns: what the plans were to meet, for the verdict.
    """
    within = [c for c in candidates if c.within_budget]
    enough = [c for c in within if _keeps(c, least_kept)]
    budget = f"{budget_ns / 1e6:.2f} ms"
    if enough:
        chosen = max(enough, key=lambda c: (c.images_per_second, -_predicted(c)))
        why = (
            f"{chosen.name}: {chosen.images_per_second:.1f} images per second, the most of "
            f"{len(enough)} that can keep {least_kept:.0%} of the tokens within {budget}"
        )
    elif within:
        chosen = _keeping_most(within)
        why = (
            f"{chosen.name}: none keeps {least_kept:.0%} of the tokens within {budget}, and it "
            f"keeps most, {chosen.kept_fraction:.1%}; ask for fewer, or give a larger budget"
        )
    else:
        chosen, why = _fastest(candidates, budget)
    return Choice(
        candidates=candidates,
        place=candidates.index(chosen),
        least_kept=least_kept,
        satisfied=bool(enough),
        rule=(
            "the most images per second, each batch by its fastest schedule that keeps at "
            f"least {least_kept:.0%} of the tokens within the budget; of equals the smaller "
            "latency"
        ),
        verdict=why,
    )


def _keeps(candidate: Candidate, least_kept: float) -> bool:
    return candidate.kept_fraction >= least_kept - 1e-9  # 0.7 is no float


def _keeping_most(candidates: list[Candidate]) -> Candidate:
    return max(candidates, key=lambda c: (c.kept_fraction, -_predicted(c)))


def _fastest(candidates: tuple[Candidate, ...], budget: str) -> tuple[Candidate, str]:
    chosen = min(candidates, key=_predicted)
    return chosen, (
        f"{chosen.name}: no schedule of any meets {budget}; its fastest takes "
        f"{_predicted(chosen) / 1e6:.2f} ms"
    )


def _predicted(candidate: Candidate) -> float:
    return float("inf") if candidate.plan is None else candidate.plan.predicted_ns
