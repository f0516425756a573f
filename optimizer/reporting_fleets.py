"""A plan for several devices in words for a terminal."""

from __future__ import annotations

from optimizer.fleet_plan import FleetPlan
from optimizer.reporting import counts_in_words, labelled

__all__ = ["fleet_lines"]


def fleet_lines(plan: FleetPlan) -> list[str]:
    """The schedule for all, what it costs on each device, and a comparison if there is one."""
    shared, worst = plan.shared, plan.worst
    lines = [
        f"{plan.model}, batch {plan.batch}, one schedule for {len(plan.devices)} devices",
        labelled("status", shared.status.value),
        labelled("tokens", counts_in_words(shared.schedule.tokens)),
        labelled("kept", f"{shared.schedule.kept_fraction:.1%} of all tokens over all blocks"),
    ]
    if shared.gap:
        lines.append(labelled("gap", f"{shared.gap} tokens over all blocks at most"))
    width = max(len("device"), *(len(each.profile) for each in plan.devices))
    lines.append(f"{'device':<{width}}  {'budget':>11}  {'unpruned':>11}  {'predicted':>11}")
    for device, latency, fits in zip(
        plan.devices, shared.latency_ns, plan.within(shared), strict=True
    ):
        lines.append(
            f"{device.profile:<{width}}  {_ms(device.budget_ns)}  {_ms(device.dense_ns)}  "
            f"{_ms(latency)}  {'within' if fits else 'over'}, {device.dtype}"
        )
    used = shared.latency_ns[plan.devices.index(worst)] / worst.budget_ns
    lines.append(f"The worst device is {worst.profile}: {used:.1%} of its budget.")
    return lines + (_comparison(plan) if len(plan.schedules) > 1 else [])


def _comparison(plan: FleetPlan) -> list[str]:
    """Each schedule on each device; `!` where it is over the budget."""
    names = ["all" if each.made_for is None else each.made_for for each in plan.schedules]
    width = max(len("best for"), *map(len, names))
    columns = [max(len(device.profile), 12) for device in plan.devices]
    heads = "  ".join(
        f"{device.profile:>{size}}" for device, size in zip(plan.devices, columns, strict=True)
    )
    lines = ["", f"{'best for':<{width}}  {'kept':>6}  {heads}"]
    for name, each in zip(names, plan.schedules, strict=True):
        cells = "  ".join(
            f"{_ms(latency) + (' ' if fits else '!'):>{size}}"
            for latency, fits, size in zip(
                each.latency_ns, plan.within(each), columns, strict=True
            )
        )
        lines.append(f"{name:<{width}}  {each.schedule.kept_fraction:6.1%}  {cells}")
    return [*lines, "! is over that device's budget."]


def _ms(latency_ns: int) -> str:
    return f"{latency_ns / 1e6:8.2f} ms"
