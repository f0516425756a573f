"""Two made-up models whose answers are a table, so that every number can be counted."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy.stats import entropy
from torch import Tensor, nn

from optimizer.errors import EvaluationError
from optimizer.evaluating import compare
from optimizer.evaluating.answers import compare_features
from optimizer.evaluating.shares import Change, Share
from optimizer.images.loading import Images, load_images
from tests.optimizer.images.folders import model
from tests.optimizer.pruning.tiny import tiny


class Table(nn.Module):
    """Answers an image by the row that its shade says."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows, self.num_classes = nn.Parameter(rows), rows.shape[1]

    def forward(self, images: Tensor) -> Tensor:
        """One row for each."""
        return self.rows[(255 * images[:, 0, 0, 0]).round().long()]


def numbered(count: int, labels: Tensor | None = None) -> Images:
    """Images whose shade is their place, two at a time."""
    shades = (torch.arange(count) / 255).view(count, 1, 1, 1).expand(count, 3, 32, 32)
    given: Any = shades if labels is None else (shades, labels)
    return load_images(given, model(num_classes=10), batch=2)


def favouring(*orders: tuple[int, ...]) -> Table:
    """Logits that fall in the order of these classes; the others stay far below."""
    rows = torch.full((len(orders), 10), -5.0)
    for row, order in zip(rows, orders, strict=True):
        for rank, label in enumerate(order):
            row[label] = 9.0 - rank
    return Table(rows)


# Six images, all of class 0: kept, lost, gained, wrong as before, lost from the first five,
# lost.
DENSE = favouring(
    (0, 1, 2, 3, 4),
    (0, 1, 2, 3, 4),
    (1, 0, 2, 3, 4),
    (5, 4, 3, 2, 1),
    (1, 2, 3, 4, 0),
    (0, 1, 2, 3, 4),
)
CUT = favouring(
    (0, 2, 1, 3, 4),
    (1, 0, 2, 3, 4),
    (0, 1, 2, 3, 4),
    (5, 4, 3, 2, 1),
    (2, 1, 3, 4, 5, 0),
    (3, 0, 1, 2, 4),
)


def test_accuracies_by_hand() -> None:
    told: list[int] = []
    labels = torch.zeros(6, dtype=torch.int64)
    found = compare(DENSE, CUT, numbered(6, labels), on_images=told.append)
    assert (found.count, found.classes) == (6, 10)
    assert (found.dense_top1, found.cut_top1) == (Share(3, 6), Share(2, 6))
    assert (found.dense_top5, found.cut_top5) == (Share(5, 6), Share(4, 6))
    assert found.change == Change(lost=2, gained=1, total=6)
    assert found.agreeing == Share(2, 6)
    assert found.cosine is None
    assert told == [2, 2, 2]


def test_the_divergence_is_scipys() -> None:
    """Of the cut model's classes from the uncut one's, not the other way round."""
    generator = torch.Generator().manual_seed(0)
    dense, cut = torch.randn(2, 5, 10, generator=generator)
    found = compare(Table(dense), Table(cut), numbered(5))
    wanted = entropy(dense.double().softmax(1).numpy(), cut.double().softmax(1).numpy(), axis=1)
    assert found.kl == pytest.approx(wanted.mean(), rel=1e-9)
    assert compare(Table(dense), Table(dense), numbered(5)).kl == 0


def test_without_labels_there_is_no_accuracy() -> None:
    found = compare(DENSE, CUT, numbered(5))
    assert found.agreeing == Share(2, 5)
    assert (found.dense_top1, found.cut_top5, found.change) == (None, None, None)


def test_five_classes_have_no_top_five() -> None:
    rows = torch.eye(5)
    labels = torch.arange(5)
    shades = (torch.arange(5) / 255).view(5, 1, 1, 1).expand(5, 3, 32, 32)
    found = compare(Table(rows), Table(rows), load_images((shades, labels), model()))
    assert found.dense_top1 == Share(5, 5)
    assert found.dense_top5 is None


@pytest.mark.parametrize("whose", ["uncut", "cut"])
def test_an_answer_that_is_no_number_is_refused(whose: str) -> None:
    """A comparison with NaN is neither right nor wrong."""
    broken = DENSE.rows.detach().clone()
    broken[3, 7] = torch.nan
    pair = (Table(broken), CUT) if whose == "uncut" else (DENSE, Table(broken))
    with pytest.raises(EvaluationError) as caught:
        compare(*pair, numbered(5))
    assert str(caught.value) == (
        f"the {whose} model's answer to image 1 of batch 1 is not finite (dtype "
        "torch.float32): plan for another dtype, or give other weights"
    )


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("vit", {"num_classes": 0}),
        ("vit", {"num_classes": 0, "global_pool": ""}),
        ("registers-without-class", {"num_classes": 0, "global_pool": "", "fc_norm": False}),
    ],
)
def test_features_are_compared_by_their_angle(form: str, options: dict[str, Any]) -> None:
    """Pooled as the model pools, or would: the same features agree, others do not."""
    vit = tiny(form, **options)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        features, other = vit(images), vit(images.flip(0))
    same = compare_features(features, 2 * features, vit)["cosine"]
    assert same.tolist() == pytest.approx([1] * 4)
    assert float(compare_features(features, other, vit)["cosine"].max()) < 0.9999


def test_a_class_token_is_what_is_compared() -> None:
    vit = tiny(num_classes=0, global_pool="")
    features = torch.randn(2, 17, 24)
    few = torch.cat([features[:, :1], torch.randn(2, 3, 24)], dim=1)
    assert compare_features(features, few, vit)["cosine"].tolist() == pytest.approx([1, 1])


def test_without_a_class_token_the_mean_of_the_patches_is() -> None:
    """Registers left out; a grid's mean likewise."""
    vit = tiny("registers-without-class", num_classes=0, global_pool="")
    features = torch.randn(2, 18, 24)
    other = torch.cat([torch.randn(2, 2, 24), features[:, 2:].mean(1, keepdim=True)], dim=1)
    grid = features[:, 2:].transpose(1, 2).reshape(2, 24, 4, 4)
    for cut in (other, grid):
        found = compare_features(features, cut, vit)["cosine"]
        assert found.tolist() == pytest.approx([1, 1])
