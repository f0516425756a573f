"""Plans and verifications in words for a terminal."""

from __future__ import annotations

import math
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from optimizer.plan import Plan
from optimizer.solution import Status

if TYPE_CHECKING:
    from optimizer.assurance import Assurance
    from optimizer.verifying import Verification

__all__ = ["counts_in_words", "labelled", "plan_lines", "verification_lines"]


_PAYS = 1.05
"""A best speed-up below this is within what a change of kernel or clock moves."""


def labelled(label: str, text: str) -> str:
    """A line of a report: what it is about, and what there is to say."""
    return f"{label:<12} {text}"


def plan_lines(plan: Plan) -> list[str]:
    """What a user must know of a plan, a line each; warnings left to the caller."""
    lines = [
        f"{plan.model}, batch {plan.batch}, {plan.dtype}, on {plan.device}",
        labelled("status", plan.status.value),
        labelled("budget", f"{plan.budget_ms:.2f} ms"),
        labelled("unpruned", f"{plan.dense_ms:.2f} ms predicted"),
    ]
    if plan.status.over_budget:
        label = "fastest" if plan.status is Status.INFEASIBLE else "predicted"
        lines.append(labelled(label, f"{plan.predicted_ms:.2f} ms, by the schedule below"))
    else:
        speedup = plan.dense_ns / max(plan.predicted_ns, 1)
        lines.append(
            labelled(
                "predicted",
                f"{plan.predicted_ms:.2f} ms ({speedup:.2f}x), one standard deviation "
                f"{plan.relative_error:.0%}",
            )
        )
    if plan.assurance is not None:
        lines.append(labelled("assured", _assured(plan, plan.assurance)))
    lines += [
        labelled("tokens", counts_in_words(plan.schedule.tokens)),
        labelled("kept", f"{plan.kept_fraction:.1%} of all tokens over all blocks"),
        *_fidelity(plan),
    ]
    if plan.schedule.lossless_last:
        lines.append(
            labelled(
                "last block", "keeps what the head reads: lossless, and counted as keeping all"
            )
        )
    if _meets_whole(plan):
        stays = "." if plan.schedule.lossless_last else ": every token stays."
        lines.append(f"The unpruned model already meets the budget{stays}")
    lines.append(_limit(plan))
    labels = ("source", *("",) * len(plan.provenance))
    for label, text in zip(labels, plan.provenance, strict=False):
        lines += textwrap.wrap(labelled(label, text), 96, subsequent_indent=labelled("", ""))
    return lines


def _assured(plan: Plan, found: Assurance) -> str:
    """What the plan stays below, how surely, and what that costs."""
    sure = f"with {100 * found.confidence:g} % confidence: {found.upper_ns / 1e6:.2f} ms"
    if plan.status.over_budget or plan.fidelity is not None:
        return sure  # what it costs is told in tokens
    return f"{sure}; costs {found.lost:.1%} of the tokens"


def _meets_whole(plan: Plan) -> bool:
    """Whether the unpruned model meets the budget, as surely as was asked."""
    if plan.assurance is None:
        return plan.dense_ns <= plan.budget_ns
    return not (plan.schedule.cuts or plan.status.over_budget)


def _fidelity(plan: Plan) -> list[str]:
    claim = plan.fidelity
    if claim is None:
        return []
    unit = "nats from" if claim.divergence == "kl" else "less than a cosine of 1 with"
    said = f"{claim.predicted:.4g} {unit} the unpruned model's answers, predicted"
    if claim.measured is not None and claim.error is not None:
        said += f"; measured {claim.measured:.4g}, standard error {claim.error:.2g}"
    if claim.agreement is not None:
        said += f"; {claim.agreement:.1%} of first classes stay"
    said += f"; {claim.images} images"
    return textwrap.wrap(labelled("fidelity", said), 96, subsequent_indent=labelled("", ""))


def _limit(plan: Plan) -> str:
    """How far pruning can go at all, and whether it pays."""
    most = plan.dense_ns / max(plan.fastest_ns, 1)
    fastest_ns = plan.fastest_ns if plan.assurance is None else plan.assurance.tightest_ns
    # Rounded up, so that the figure printed is a budget that can be met.
    tightest = math.ceil(fastest_ns / 1e4) / 100
    limit = f"The tightest budget that could be met is {tightest:.2f} ms ({most:.2f}x)"
    return f"{limit}." if most >= _PAYS else f"{limit}: dropping tokens cannot pay here."


def counts_in_words(tokens: tuple[int, ...]) -> str:
    """Runs of equal counts together: `197 x3, 160 x2, 96 x7`."""
    runs = [(count, len(list(run))) for count, run in groupby(tokens)]
    return ", ".join(f"{count} x{length}" for count, length in runs) + " blocks"


def verification_lines(found: Verification) -> list[str]:
    """Predicted against measured, with spread, and the counts that ran."""
    low, high = found.spread_ns
    over = found.measured_ns / found.budget_ns - 1
    verdict = "within the budget" if found.met else f"over the budget by {over:.1%}"
    lines = [
        labelled("executed", f"{counts_in_words(found.executed)}: as planned"),
        labelled(
            "measured",
            f"{found.measured_ns / 1e6:.2f} ms on {found.device}, {verdict}; middle half "
            f"{low / 1e6:.2f} to {high / 1e6:.2f} ms, {len(found.pruned_ns)} rounds, "
            f"{found.disturbed} calls disturbed",
        ),
        labelled(
            "unpruned",
            f"{found.measured_dense_ns / 1e6:.2f} ms measured in the same rounds",
        ),
        labelled(
            "error",
            f"predicted {found.predicted_ns / 1e6:.2f} ms is {found.error:+.1%} from measured",
        ),
        labelled(
            "speed-up",
            f"{1 / found.ratio:.2f}x measured pair by pair, {1 / found.predicted_ratio:.2f}x "
            "predicted",
        ),
    ]
    if not found.same_device:
        lines.append(
            f"The plan was made for {found.planned_device}: its budget was not tested here."
        )
    return lines
