"""Comparing methods at equal latency: by hand, and what the rivals compute."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from optimizer.fidelity.damage import BlockDamage, DamageTable
from optimizer.schedule import Schedule
from optimizer.verifying import executed_counts


@pytest.fixture(scope="module")
def files(benchmark_file: Callable[[str], Any]) -> Any:
    names = ("devices", "methods", "plans", "scoring", "table")
    found = {name: benchmark_file(f"accuracy_{name}") for name in names}
    return SimpleNamespace(
        **found, digits=benchmark_file("digits_model"), evit=benchmark_file("evit_style")
    )


@pytest.fixture(scope="module")
def point(files: Any) -> Any:
    def made(share: float, right: str, agrees: str = "1111") -> Any:
        return files.scoring.Point(share, np.array([*right]) == "1", np.array([*agrees]) == "1")

    return made


def test_accuracy_between_two_settings_is_a_straight_line(files: Any, point: Any) -> None:
    points = [point(1.0, "1110"), point(0.5, "1000", "1001"), point(0.8, "0000")]
    found = files.scoring.at_share(points, 0.75)
    assert found is not None
    assert found[0].tolist() == [1.0, 0.5, 0.5, 0.0]
    assert found[1].tolist() == [1.0, 0.5, 0.5, 1.0]


def test_beyond_its_frontier_a_method_is_its_last_setting_or_nothing(
    files: Any, point: Any
) -> None:
    points = [point(0.5, "1000"), point(0.9, "1100"), point(1.0, "1100")]
    assert files.scoring.at_share(points, 0.49) is None
    last = files.scoring.at_share(points, 0.95)
    assert last is not None
    assert last[0].tolist() == [1, 1, 0, 0]
    exact = files.scoring.at_share(points, 0.5)
    assert exact is not None
    assert exact[0].tolist() == [1, 0, 0, 0]


def test_what_is_hard_for_both_counts_once(files: Any) -> None:
    ours, theirs = np.array([1.0, 0, 1, 0]), np.array([1.0, 0, 0, 0])
    paired, alone = (
        files.scoring.difference(ours, theirs),
        files.scoring.estimate(ours),
    )
    assert paired.mean == 0.25
    assert paired.half == pytest.approx(1.959964 * 0.5 / 2)
    assert alone.half > paired.half
    assert str(paired) == " 25.0 ±49.0"


def test_the_tables_say_what_cannot_be_reached(files: Any, point: Any) -> None:
    methods = {"ours": [point(0.4, "1111"), point(1.0, "1111")], "theirs": [point(1.0, "1110")]}
    lines = list(files.table.equal_latency_lines(methods, (0.5, 1.0), agreement=False))
    assert lines[2].split() == ["50%", "100.0", "±0.0", "-"]
    assert lines[3].split() == ["100%", "100.0", "±0.0", "75.0", "±49.0"]
    gains = list(files.table.best_lines(methods, (0.5, 1.0), "ours"))
    assert gains[2].split() == ["50%", "-"]
    assert gains[3].split() == ["100%", "25.0", "±49.0"]


@pytest.fixture(scope="module")
def model(files: Any) -> Any:
    torch.manual_seed(3)
    return files.digits.build_digits()


SCHEDULE = Schedule((197, 150, 150, 90, 90, 60, 60, 60, 40, 40, 40, 40), full=197, prefix=1)


CUTTERS = (
    *("cls, averaged", "pomt, averaged", "cls, dropped", "random, averaged"),
    *("EViT-style", "ToMe-style"),
)


@pytest.mark.parametrize("cutter", CUTTERS)
def test_every_method_runs_its_counts_and_leaves_the_model(
    files: Any, model: Any, cutter: str
) -> None:
    assert tuple(files.methods.CUTTERS) == CUTTERS
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = torch.randn(2, 3, 56, 56)
    dense = model(images)
    cut: Any = files.methods.Setting(cutter, SCHEDULE).build(model)
    counted = cut.model if hasattr(cut, "model") else cut
    seen: list[int] = []
    hooks = [
        block.mlp.register_forward_hook(lambda _m, _i, out: seen.append(int(out.shape[1])))
        for block in counted.blocks
    ]
    with torch.no_grad():
        assert cut(images).shape == dense.shape
    for hook in hooks:
        hook.remove()
    assert tuple(seen) == SCHEDULE.tokens
    assert torch.equal(model(images), dense)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_schedule_without_a_cut_is_the_model_itself(files: Any, model: Any) -> None:
    whole = Schedule((197,) * 12, full=197, prefix=1)
    assert files.methods.Setting("EViT-style", whole).build(model) is model
    images = torch.randn(2, 3, 56, 56)
    assert torch.equal(files.evit.EvitStyle(model, whole)(images), model(images))
    assert executed_counts(model, images) == whole.tokens


def test_evit_fuses_what_the_class_row_overlooks(files: Any, model: Any) -> None:
    """One cut, image by image and token by token, from the paper's formula."""
    images = torch.randn(2, 3, 56, 56)
    schedule = Schedule((197, 50, *(50,) * 10), full=197, prefix=1)
    with torch.no_grad():
        found = files.evit.EvitStyle(model, schedule)(images)
        for image, answer in zip(torch.split(images, 1), found, strict=True):
            x = model.blocks[0](model.norm_pre(model._pos_embed(model.patch_embed(image))))
            block = model.blocks[1]
            q, k, _ = block.attn.qkv(block.norm1(x)).reshape(197, 3, 4, 16).unbind(1)
            row = torch.stack(
                [((q[0, h] * block.attn.scale) @ k[:, h].T).softmax(0) for h in range(4)]
            ).mean(0)[1:]
            x = x + block.attn(block.norm1(x))
            kept = sorted(row.topk(48).indices.tolist())
            rest = [place for place in range(196) if place not in kept]
            fused = sum(row[place] * x[0, 1 + place] for place in rest)
            x = torch.stack([x[0, 0], *(x[0, 1 + place] for place in kept), fused])[None]
            x = x + block.mlp(block.norm2(x))
            for later in model.blocks[2:]:
                x = later(x)
            assert torch.allclose(model.forward_head(model.norm(x))[0], answer, atol=1e-4)


def _damage(score: str, scale: float) -> DamageTable:
    blocks = tuple(
        BlockDamage((2, 50, 150), (scale, scale / 10, scale / 100), (0.01, 0.01, 0.001))
        for _ in range(12)
    )
    return DamageTable(
        model="digits",
        divergence="kl",
        score=score,
        dropped="average",
        full=197,
        prefix=1,
        images=8,
        weights="0" * 64,
        pictures="0" * 64,
        blocks=blocks,
    )


def test_ours_takes_the_score_of_least_damage_and_keeps_the_budget(files: Any) -> None:
    *_, (_, table, workload) = files.devices.staircases()
    device = files.plans.Device(table, workload, (_damage("cls", 2.0), _damage("pomt", 1.0)))
    for objective in files.methods.OURS:
        found = device.ours(objective, 0.7)
        assert found.setting.cutter == "pomt, averaged"
        assert found.within
        assert found.share <= 0.7
    every = device.every((0.6, 0.9))
    assert set(every) == {*files.methods.OURS, *files.methods.RIVALS}
    assert all(one.within and one.share <= 0.9 for some in every.values() for one in some)
    tuned = device.rival("ToMe", 0.7, by_flops=True)
    assert tuned.share > 0.7
    assert not tuned.within
