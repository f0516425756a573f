"""Training of the digits' model: a few steps of it, the same every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latmodel.files import read_yaml

Load = Callable[[str], Any]

pytestmark = pytest.mark.skipif(
    not hasattr(torch.optim, "Muon"), reason="training needs torch's Muon, 2.9 and newer"
)


@pytest.fixture(scope="module")
def stages(benchmark_file: Load) -> Any:
    return benchmark_file("digits_stages")


@pytest.fixture
def learner(benchmark_file: Load, stages: Any) -> Callable[..., Any]:
    """Begins a run of four steps, the last two with all patches."""
    learning = benchmark_file("digits_learning")

    def begin(**other: int) -> Any:
        asked = {"seed": 3, "batch": 6, "workers": 2} | other
        return learning.Learner(stages.Course(4, 2, 2), **asked)

    return begin


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the command has it: one for each worker."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_stages(stages: Any) -> None:
    course = stages.Course(steps=3000, plain=1000, decay=500, rate=1e-3)
    first, middle, late, last = (course.stage(step) for step in (0, 500, 2600, 2999))
    assert first == (0, 64, pytest.approx(1e-3 / 200))
    assert middle == (0.5, 64, 1e-3)
    assert late == (1, 196, pytest.approx(0.8e-3))
    assert last == (1, 196, pytest.approx(1e-3 / 500))


def test_more_steps_begin_alike(stages: Any) -> None:
    """So that a run may be lengthened until it decays."""
    short, long = (stages.Course(steps, plain=100, decay=50) for steps in (400, 900))
    assert [short.stage(i) for i in range(350)] == [long.stage(i) for i in range(350)]


def test_patches_with_ink_are_shown_first(stages: Any) -> None:
    canvas = np.zeros((2, 56, 56), np.uint8)
    canvas[0, 10, 6] = canvas[1, 55, 55] = 255
    shown = stages.choose_patches(canvas, 5, np.random.default_rng(0))
    assert shown.shape == (2, 5)
    assert 2 * 14 + 1 in shown[0].tolist()
    assert 195 in shown[1].tolist()
    assert stages.choose_patches(canvas, 196, np.random.default_rng(0)) is None


def test_shown_patches_follow_the_class_token(stages: Any) -> None:
    drop = stages.ShownPatches()
    tokens = torch.randn(2, 197, 3)
    drop.shown = torch.tensor([[0, 7], [3, 195]])
    kept = drop.train()(tokens)
    assert torch.equal(kept[0], tokens[0, [0, 1, 8]])
    assert torch.equal(kept[1], tokens[1, [0, 4, 196]])
    assert torch.equal(drop.eval()(tokens), tokens)


def test_workers_learn_what_one_does(learner: Callable[..., Any]) -> None:
    """One alone sees the same batch: only sums are rounded otherwise."""
    alone, together = learner(workers=1), learner(workers=3)
    assert alone.take_step() == pytest.approx(together.take_step(), rel=1e-5)
    for one, two in zip(alone.model.parameters(), together.model.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=2e-6, rtol=1e-3)


def test_a_resumed_run_ends_as_one_that_was_never_stopped(
    learner: Callable[..., Any], tmp_path: Path
) -> None:
    whole, begun, resumed = learner(), learner(), learner()
    losses = [whole.take_step() for _ in range(4)]
    for _ in range(2):
        begun.take_step()
    begun.save(tmp_path / "it.state.pt")
    resumed.load(tmp_path / "it.state.pt")
    assert [resumed.take_step(), resumed.take_step()] == losses[2:]
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name
    assert [path.name for path in tmp_path.iterdir()] == ["it.state.pt"]


@pytest.mark.parametrize("name", ["seed", "batch", "workers"])
def test_another_run_s_state_is_refused(
    learner: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    place = tmp_path / "it.state.pt"
    other = learner(**{name: 1})
    other.save(place)
    mine = {"seed": 3, "batch": 6, "workers": 2}[name]
    said = f"{place}: its run had {name} 1, this one {mine}; give --{name} 1"
    with pytest.raises(ValueError) as raised:  # noqa: PT011 (the whole message is asserted)
        learner().load(place)
    assert str(raised.value) == said


def test_the_command_writes_weights_and_card(
    benchmark_file: Load,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Stopped after a step, it says how to go on, and does."""
    train, model = benchmark_file("train_digits"), benchmark_file("digits_model")
    out = tmp_path / "it.safetensors"
    asked = f"x --out {out} --steps 3 --plain 1 --decay 1 --batch 4 --canvases 50".split()
    monkeypatch.setattr("sys.argv", [*asked, "--minutes", "1e-9"])
    with pytest.raises(SystemExit, match=r"^stopped at step 1 of 3; go on with --resume$"):
        train.main()
    monkeypatch.setattr("sys.argv", [*asked, "--resume"])
    train.main()
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".safetensors", ".yaml"]
    card: Any = read_yaml(out.with_suffix(".yaml"))
    accuracy = card["accuracy"]
    said = f"{accuracy['percent']:.1f} % (+- {accuracy['within_percent']:.1f}) of 50 canvases"
    assert capsys.readouterr().out == f"{out}: {said} on held-out digits\n"
    assert card["command"] == (
        "python benchmarks/train_digits.py --out it.safetensors --steps 3 --plain 1 --decay 1 "
        "--rate 0.002 --batch 4 --seed 0 --workers 2 --canvases 50"
    )
    assert dict(card["training"], minutes=0) == {
        "seed": 0,
        "steps": 3,
        "batch": 4,
        "workers": 2,
        "minutes": 0,
    }
    score = benchmark_file("digits_scoring").score
    again = score(model.load_digits_model(out), 50, seed=train._TEST_SEED)
    assert round(again.percent, 2) == accuracy["percent"]


def test_the_interval_counts_digits_not_canvases(benchmark_file: Load) -> None:
    """Were each digit's canvases all right or all wrong, many would tell no more than few."""
    scoring = benchmark_file("digits_scoring")
    digits = np.repeat(np.arange(100), 10)
    known = np.arange(100) % 5 > 0
    found = scoring.Score.of(known[digits], digits)
    assert found.percent == 80
    assert found.within == pytest.approx(196 * np.sqrt(0.8 * 0.2 / 100))
    alone = scoring.Score.of(known, np.arange(100))
    assert alone.within == pytest.approx(found.within)
