"""Images whose kept tokens do not hang on rounding."""

from __future__ import annotations

import pytest
import torch

from optimizer.errors import ExportError
from optimizer.pruning import apply
from optimizer.pruning.steadying import steady_images
from optimizer.pruning.tracing import choices

from .tiny import images, losing, tiny


def all_alike(
    _q: torch.Tensor, k: torch.Tensor, _v: torch.Tensor, _prefix: int
) -> torch.Tensor:
    return torch.ones_like(k[:, 0, :, 0])


def last_bits(
    _q: torch.Tensor, k: torch.Tensor, _v: torch.Tensor, _prefix: int
) -> torch.Tensor:
    """Scores that only rounding tells apart."""
    return 1e4 + k[:, 0, :, 0] * 1e-2


def test_an_uncut_model_takes_the_first_images() -> None:
    found = steady_images(tiny(), (3, 3, 32, 32))
    assert found.tried == 3
    assert found.images.shape == (3, 3, 32, 32)


def test_images_are_the_same_in_every_run() -> None:
    model = tiny()
    apply(model, losing(model, 4, 0, 5, 0))
    first, second = (steady_images(model, (2, 3, 32, 32)) for _ in range(2))
    assert torch.equal(first.images, second.images)
    assert first.tried == second.tried


@pytest.mark.parametrize("score", [all_alike, last_bits])
def test_a_score_of_rounding_is_refused(score: object) -> None:
    model = tiny(depth=1)
    apply(model, losing(model, 4), score, "drop")  # type: ignore[arg-type]
    with pytest.raises(ExportError) as refused:
        steady_images(model, (1, 3, 32, 32))
    assert str(refused.value) == (
        "of 64 random images, 0 lead to the same kept tokens when their pixels change by 1e-05 "
        "of themselves, and 1 must, to compare answers: rounding chooses the tokens of this "
        "model; give it trained weights, or choose another score"
    )


def test_the_gap_is_between_the_last_kept_and_the_first_dropped() -> None:
    """By hand: a score that rises with the place, which keeps 5 and drops 4."""
    model = tiny(depth=1)

    def place(_q: torch.Tensor, k: torch.Tensor, _v: torch.Tensor, _p: int) -> torch.Tensor:
        return torch.arange(17.0).expand(k.shape[0], -1)

    apply(model, losing(model, 4), place, "drop")
    (choice,) = choices(model, images(2)).values()
    assert choice.decision.kept.tolist() == [list(range(4, 16))] * 2
    torch.testing.assert_close(choice.gap, torch.full((2,), 1 / 5))
