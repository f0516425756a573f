"""Choose jointly: which model and image size at a budget, or which batch for throughput."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from latmodel.catalogue import read_profile
from latmodel.errors import LatmodelError
from latmodel.flops import schedule_flops
from latmodel.image_sizes import at_image_size
from latmodel.image_sizes import image_size as size_of
from latmodel.profile import DeviceProfile
from latmodel.workload import Workload
from latmodel.workloads import find_workload
from optimizer.budget import Budget
from optimizer.choice import Candidate, Choice
from optimizer.errors import BudgetError, OptimizerError, ProblemError
from optimizer.fastest import plan_fastest
from optimizer.optimizing import optimize
from optimizer.plan import Plan
from optimizer.preferring import LEAST_KEPT, prefer_batch, prefer_model

__all__ = ["choose_batch", "choose_model"]

OnCandidate = Callable[[str], None]


def choose_model(
    models: Sequence[str],
    *,
    profile: DeviceProfile | str | Path,
    budget_ms: float | None = None,
    budget: Budget | None = None,
    image_sizes: Sequence[int] = (),
    batch: int = 1,
    least_kept: float = LEAST_KEPT,
    accuracies: Mapping[str, float] | None = None,
    on_candidate: OnCandidate = lambda _name: None,
    **options: Any,
) -> Choice:
    """Which model, at which image size, to run within a budget, and by which schedule.

    Kept tokens cannot compare a tiny model with a large one. So of the models that keep at
    least `least_kept` of their tokens, which costs little accuracy, the largest is taken;
    an uncut smaller model is a candidate as any other, and wins where the larger ones would
    have to be cut harder. That is a rule of thumb: evaluate the chosen model on your data.

    Args:
        models: timm's names.
        profile: a device profile, its path, or the name of a shipped one.
        budget_ms: latency per call at most, in ms; or give `budget`, no share.
        budget: a parsed budget.
        image_sizes: sides in pixels, each tried with each model; none for the models' own.
        batch: images per call.
        least_kept: above 0, at most 1.
        accuracies: top-1 of uncut models, by name; shown beside, not used.
        on_candidate: called before each is planned, with its name.
        options: others of `optimizer.optimize`.

    Returns:
        Every candidate, the refused ones with their reason, and the chosen one. Where none
        meets the budget the fastest is chosen, and `satisfied` is False.

    Raises:
        BudgetError: not exactly one budget, or it is a share: of which model?
        ProblemError: no model, a share out of range, or no candidate could be planned.
        LatmodelError: the profile cannot be read.

    >>> found = choose_model(
    ...     ["deit_tiny_patch16_224", "deit_small_patch16_224", "vit_base_patch16_224"],
    ...     profile="jetson", budget_ms=45, batch=8)
    >>> found.chosen.name, round(found.plan.kept_fraction, 2)
    ('deit_small_patch16_224', 0.8)
    """
    _check_least(least_kept)
    limit = _absolute(budget, budget_ms)
    if not models:
        raise ProblemError("models is empty: name at least one")
    device = profile if isinstance(profile, DeviceProfile) else read_profile(profile)
    known = accuracies or {}
    candidates = []
    for model in models:
        for size in image_sizes or (None,):
            name = model if size is None else f"{model} at {size} px"
            on_candidate(name)
            blank = Candidate(
                name=name, model=model, batch=batch, image_size=size, plan=None,
                top1=known.get(model),
            )  # fmt: skip
            candidates.append(
                _planned(
                    blank,
                    lambda workload: optimize(
                        workload, profile=device, budget=limit, batch=batch, **options
                    ),
                )
            )
    return prefer_model(_some(candidates), least_kept=least_kept, budget_ns=limit.within(0))


def choose_batch(
    model: str,
    batches: Sequence[int],
    *,
    profile: DeviceProfile | str | Path,
    budget_ms: float | None = None,
    budget: Budget | None = None,
    least_kept: float = 1.0,
    on_candidate: OnCandidate = lambda _name: None,
    **options: Any,
) -> Choice:
    """Which batch gives the most images per second with each call within a budget.

    Args:
        model: timm's name.
        batches: images per call, each 1 or more.
        profile: as in `choose_model`, as are both budgets.
        budget_ms: likewise.
        budget: likewise.
        least_kept: the share of the tokens that must stay; above 0, at most 1.
        on_candidate: called before each is planned, with its name.
        options: others of `optimizer.optimize`, but for a solver.

    Returns:
        Every batch and the chosen one, whose plan is the fastest that keeps as much. Where
        none keeps as much within the budget, that which keeps most, or the fastest, is
        chosen, and `satisfied` is False.

    Raises:
        BudgetError: as `choose_model`.
        ProblemError: no batch, a share out of range, or no candidate could be planned.
        LatmodelError: the profile cannot be read.

    >>> found = choose_batch("deit_small_patch16_224", [1, 4, 8, 16], profile="jetson",
    ...                      budget_ms=60)
    >>> found.chosen.batch, round(found.chosen.images_per_second)
    (8, 156)
    """
    _check_least(least_kept)
    limit = _absolute(budget, budget_ms)
    if not batches:
        raise ProblemError("batches is empty: give at least one")
    device = profile if isinstance(profile, DeviceProfile) else read_profile(profile)
    candidates = []
    for batch in batches:
        name = f"batch {batch}"
        on_candidate(name)
        blank = Candidate(name=name, model=model, batch=batch, image_size=None, plan=None)
        candidates.append(
            _planned(
                blank,
                lambda workload: plan_fastest(
                    workload, profile=device, budget=limit, least_kept=least_kept, **options
                ),
            )
        )
    return prefer_batch(_some(candidates), least_kept=least_kept, budget_ns=limit.within(0))


def _check_least(least_kept: float) -> None:
    if not 0 < least_kept <= 1:
        raise ProblemError(f"least_kept is {least_kept}: must be above 0 and at most 1")


def _absolute(budget: Budget | None, budget_ms: float | None) -> Budget:
    if (budget is None) == (budget_ms is None):
        raise BudgetError("give exactly one of budget_ms and budget")
    chosen = budget if budget is not None else Budget.of_ms(budget_ms or 0.0)
    if chosen.relative:
        raise BudgetError(
            f"budget is {chosen.amount}% of an unpruned latency, and each candidate has its "
            "own: give a latency, such as 20ms"
        )
    return chosen


def _planned(blank: Candidate, plan: Callable[[Workload], Plan]) -> Candidate:
    """A candidate with its plan, or with the reason why it has none."""
    try:
        workload = find_workload(blank.model, batch=blank.batch)
        own = workload
        if blank.image_size is not None:
            workload = at_image_size(workload, blank.image_size)
        made = plan(workload)
    except (LatmodelError, OptimizerError) as error:
        return replace(blank, refused=str(error))
    if workload != own:
        made = replace(made, warnings=(*made.warnings, _resized(blank, size_of(own))))
    full = (workload.tokens,) * workload.depth
    per_image = workload.at(batch=1)
    return replace(
        blank,
        plan=made,
        dense_macs=schedule_flops(per_image, full) // 2,
        kept_macs=schedule_flops(per_image, made.schedule.tokens) // 2,
    )


def _resized(blank: Candidate, own: int) -> str:
    return (
        f"made for images of {blank.image_size} x {blank.image_size}, where {blank.model} was "
        f"trained on {own} x {own}: create it by timm.create_model(..., "
        f"img_size={blank.image_size}) and evaluate it, cut and uncut"
    )


def _some(candidates: list[Candidate]) -> tuple[Candidate, ...]:
    """Refuse where all were: the first reason is as good as any."""
    if all(candidate.plan is None for candidate in candidates):
        raise ProblemError(
            f"none of {len(candidates)} candidates could be planned; {candidates[0].name}: "
            f"{candidates[0].refused}"
        )
    return tuple(candidates)
