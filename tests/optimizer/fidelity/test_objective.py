"""`optimize` by a damage table: the least damage there is, and nothing else than before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latmodel.errors import FieldError
from latmodel.workload import Workload
from optimizer.budget import Budget
from optimizer.errors import DamageError
from optimizer.fidelity.claim import Claim
from optimizer.fidelity.damage import DamageTable
from optimizer.fidelity.valuing import UNIT, whole_damage
from optimizer.optimizing import optimize
from optimizer.plan import Plan
from optimizer.reporting import plan_lines
from optimizer.saving import read_plan, write_plan
from optimizer.solution import Status
from tests.optimizer.devices import TINY, profile_of
from tests.optimizer.fidelity.tables import block, table

SMALL = Workload(**{**TINY.to_dict(), "depth": 3, "tokens": 5})  # type: ignore[arg-type]
PROFILE = profile_of(SMALL, {1: 100_000, 2: 150_000, 3: 220_000, 4: 400_000, 5: 380_000})


def damage(seed: int) -> DamageTable:
    """Of the small model, random; the last block loses nothing down to the prefix."""
    rng = np.random.default_rng(seed)
    rows = [
        block(*sorted(rng.uniform(0, 2, 3), reverse=True), counts=(2, 3, 4)) for _ in range(2)
    ]
    return table(*rows, block(0.0, counts=(1,)), model="test_vit", full=5)


def plan(share: int, made: DamageTable | None, **options: Any) -> Plan:
    return optimize(
        SMALL, budget=Budget.parse(f"{share}%"), profile=PROFILE, damage=made, **options
    )


def schedules() -> list[tuple[int, ...]]:
    """Every schedule of the small model, a lossless last cut among them."""
    counts = range(2, 6)
    return [(a, b, c) for a in counts for b in counts for c in (1, *counts) if a >= b >= c]


def whole(made: DamageTable, tokens: tuple[int, ...]) -> int:
    """The damage of a schedule by the definition, cut by cut, in whole units."""
    rows, before, lost = whole_damage(made, np.arange(2, 6)), 5, 0
    for number, count in enumerate(tokens):
        if count > 1:
            lost += int(rows[number, count - 2] - rows[number, before - 2])
        before = count
    return lost


@pytest.mark.parametrize("seed", range(6))
def test_no_schedule_within_the_budget_does_less_damage(seed: int) -> None:
    """Against trying every schedule of both endings; of equals the fastest."""
    made, latency, met = damage(seed), PROFILE.table(SMALL), 0
    for share in range(25, 100, 5):
        found = plan(share, made)
        budget_ns = latency.dense_ns * share // 100
        costs = {t: latency.latency_ns(t) for t in schedules()}
        within = [t for t, cost in costs.items() if cost <= budget_ns]
        if not within:
            assert found.status is Status.INFEASIBLE
            continue
        best = min((whole(made, t), costs[t]) for t in within)
        assert (whole(made, found.schedule.tokens), found.predicted_ns) == best
        assert found.status is Status.OPTIMAL
        assert found.earliest_cut == 0
        met += len(found.schedule.cuts)
        assert found.fidelity is not None
        assert found.fidelity.predicted == pytest.approx(best[0] * UNIT, abs=5 * UNIT)
    assert met > 5


def test_a_model_that_meets_the_budget_stays_whole() -> None:
    """Though a cut in the last block would cost nothing and save time."""
    found = plan(100, damage(0))
    assert found.schedule.cuts == ()
    assert found.fidelity == Claim(divergence="kl", images=100, predicted=0.0)


def test_constraints_still_bind() -> None:
    found = plan(80, damage(1), earliest_cut=1, least_count=3)
    assert found.earliest_cut == 1
    assert found.schedule.tokens[0] == 5
    assert min(found.schedule.worth) >= 3


def test_cuts_below_what_was_measured_are_warned_of() -> None:
    rows = (block(0.1, counts=(4,)),) * 2
    made = table(*rows, block(0.0, counts=(1,)), model="test_vit", full=5)
    found = plan(75, made)
    below, count = next((i, n) for i, n in enumerate(found.schedule.tokens) if n < 4)
    assert found.warnings == (
        f"block {below} is cut to {count} tokens, and no fewer than 4 were measured: what that "
        "costs is not known; measure a table with fewer, or give --least-count 4",
    )
    assert not plan(95, made).warnings


def test_a_table_of_something_else_is_refused() -> None:
    with pytest.raises(DamageError, match="score is 'pomt' in the damage table and 'cls' in"):
        plan(80, damage(0), score="cls")


@pytest.mark.parametrize("name", ["plan.yaml", "plan.json"])
@pytest.mark.parametrize(
    "claim",
    [
        Claim(divergence="kl", images=100, predicted=0.25),
        Claim(
            divergence="kl", images=9, predicted=0.1, measured=0.2, error=0.01, agreement=0.5
        ),
        Claim(divergence="cosine", images=9, predicted=0.1, measured=0.2, error=0.01),
    ],
)
def test_a_claim_is_read_as_it_was_written(tmp_path: Path, name: str, claim: Claim) -> None:
    written = replace(plan(60, damage(2)), fidelity=claim)
    write_plan(tmp_path / name, written)
    assert read_plan(tmp_path / name) == written
    assert written.to_dict()["objective"] == "fidelity"


def test_the_report_tells_it() -> None:
    claim = Claim(
        divergence="kl", images=100, predicted=0.25, measured=0.2, error=0.01, agreement=0.97
    )
    lines = plan_lines(replace(plan(60, damage(2)), fidelity=claim))
    (at,) = [k for k, line in enumerate(lines) if line.startswith("fidelity")]
    assert " ".join(" ".join(lines[at : at + 2]).split()) == (
        "fidelity 0.25 nats from the unpruned model's answers, predicted; measured 0.2, "
        "standard error 0.01; 97.0% of first classes stay; 100 images"
    )


def test_confidence_costs_fidelity() -> None:
    """On a profile with errors; the report does not tell it in tokens."""
    made = table(
        *(block(3.0, 0.4, 0.02, counts=(2, 40, 120)),) * 11, block(0.0, counts=(1,)),
        model="deit_small_patch16_224", full=197,
    )  # fmt: skip
    sure, plain = (
        optimize(
            "deit_small_patch16_224",
            budget_ms=12,
            profile="t4",
            batch=8,
            damage=made,
            confidence=confidence,
        )
        for confidence in (0.9, None)
    )
    assert sure.assurance is not None
    assert sure.fidelity is not None
    assert plain.fidelity is not None
    assert sure.fidelity.predicted > plain.fidelity.predicted
    assert 0 < sure.assurance.lost <= 1
    (said,) = [line for line in plan_lines(sure) if line.startswith("assured")]
    assert said.endswith("ms")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"divergence": "l1"}, "divergence is 'l1': must be one of kl, cosine"),
        ({"measured": 0.1}, "measured and error go together: give both or none"),
        ({"agreement": 0.1}, "agreement is of what was measured: give both or none"),
    ],
)
def test_what_is_no_claim_is_refused(values: dict[str, Any], said: str) -> None:
    good: dict[str, Any] = {"divergence": "kl", "images": 9, "predicted": 0.1}
    with pytest.raises(DamageError) as caught:
        Claim(**(good | values))
    assert str(caught.value) == said


def test_a_plan_with_a_broken_claim_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    write_plan(path, plan(60, damage(2)))
    path.write_text(path.read_text().replace("divergence: kl", "divergence: l1"))
    with pytest.raises(FieldError, match=r"fidelity.divergence: found text 'l1', allowed is"):
        read_plan(path)


def test_a_stopped_solve_tells_the_gap_in_fidelity() -> None:
    """And names what it was predicted to cost, where the limit came before the proof."""
    made = table(
        *(block(3.0, 0.4, 0.02, counts=(2, 40, 120)),) * 11, block(0.0, counts=(1,)),
        model="deit_small_patch16_224", full=197,
    )  # fmt: skip
    found = optimize(
        "deit_small_patch16_224", budget_ms=12, profile="t4", batch=8, damage=made,
        time_limit_s=1e-9,
    )  # fmt: skip
    assert found.fidelity is not None
    said = (
        f"the time limit stopped the solver: it is predicted to cost "
        f"{found.fidelity.predicted:.4g} of fidelity (kl), and no schedule within the budget "
        "costs less by over "
    )
    told = [warning for warning in found.warnings if warning.startswith(said)]
    assert found.predicted_ns <= found.budget_ns
    assert bool(told) == (found.status is Status.TIME_LIMIT)
