"""Measuring damage: it is that of the cut that runs, whole and in any order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latmodel.architectures import describe
from optimizer.errors import DamageError
from optimizer.fidelity.damage import DamageTable
from optimizer.fidelity.measuring import (
    counts_to_measure,
    digest_of_weights,
    measure_damage,
    measure_schedules,
)
from optimizer.fidelity.measuring.divergence import divergences
from optimizer.fidelity.measuring.tails import Tails
from optimizer.pruning import apply, undo
from optimizer.schedule import Schedule
from tests.optimizer.pruning.small import size_of, small
from tests.optimizer.pruning.tiny import FORMS, anatomy, images, logits, tiny

EVERY = images(6)
"""Six images, and the model's 17 tokens each."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Any:
    """Models this small only wait for one another on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def by_hand(model: Any, batch: Any, schedule: Schedule, **how: Any) -> list[float]:
    """The divergence of each image, by the whole cut model and the formula."""
    dense = logits(model, batch).double().log_softmax(1)
    apply(model, schedule, **how)
    cut = logits(model, batch).double().log_softmax(1)
    undo(model)
    return [float(x) for x in (dense.exp() * (dense - cut)).sum(1)]


@pytest.mark.parametrize("form", [f for f in FORMS if f != "swiglu"])
@pytest.mark.parametrize("dropped", ["average", "merge", "drop"])
def test_a_tail_answers_as_the_whole_cut_model(form: str, dropped: str) -> None:
    """From each block on, with several counts by one twin, and with several cuts."""
    model = tiny(form)
    work = describe(model)
    tails = Tails(model, score="pomt", dropped=dropped)
    dense = tails.dense(EVERY)
    assert torch.equal(dense.answers, logits(model, EVERY))
    full = work.tokens
    for tokens in (
        (full - 3,) * 4,
        (full - 9,) * 4,
        (full, full - 4, full - 4, full - 4),
        (full, full, full, full - 8),
        (full, full - 4, full - 4, full - 7),
    ):
        schedule = Schedule(tokens, full=full, prefix=work.prefix)
        found = tails.cut(dense, schedule)
        apply(model, schedule, dropped=dropped)
        torch.testing.assert_close(found, logits(model, EVERY), rtol=0, atol=0)
        undo(model)


@pytest.mark.parametrize(
    "name",
    [
        "eva02_tiny_patch14_224",
        "beit_base_patch16_224",
        "vit_relpos_small_patch16_224",
        "naflexvit_base_patch16_gap",
        "vit_small_patch16_dinov3",
    ],
)
def test_so_it_does_in_other_families(name: str) -> None:
    model, side = small(name), size_of(name)
    batch = images(2, size=side)
    lengths: list[int] = []
    handle = model.blocks[0].register_forward_pre_hook(
        lambda _m, given: lengths.append(given[0].shape[1])
    )
    whole = logits(model, batch)
    handle.remove()
    tails = Tails(model, score="value-norm", dropped="merge", proportional=True)
    dense = tails.dense(batch)
    full, prefix = lengths[0], int(model.num_prefix_tokens)
    assert torch.equal(dense.answers, whole)
    for tokens in ((full, full - 5, full - 5), (full - 4, full - 4, full - 6)):
        schedule = Schedule(tokens, full=full, prefix=prefix)
        found = tails.cut(dense, schedule)
        apply(model, schedule, score="value-norm", dropped="merge", proportional=True)
        torch.testing.assert_close(found, logits(model, batch), rtol=0, atol=0)
        undo(model)


@pytest.mark.parametrize("score", ["cls", "random"])
def test_scores_that_the_model_resolves_are_those_of_apply(score: str) -> None:
    """Score "cls" is another rule without a class token, and "random" holds an order."""
    for form in ("vit", "no-prefix"):
        model = tiny(form)
        work = describe(model)
        tails = Tails(model, score=score, dropped="drop")
        dense = tails.dense(EVERY)
        for count in (work.tokens - 5, work.tokens - 2):
            schedule = Schedule(
                (work.tokens, count, count, count), full=work.tokens, prefix=work.prefix
            )
            found = tails.cut(dense, schedule)
            apply(model, schedule, score=score, dropped="drop")
            assert torch.equal(found, logits(model, EVERY))
            undo(model)


def test_an_entry_is_the_mean_over_the_images_of_one_cut() -> None:
    model = tiny()
    table = measure_damage(model, [EVERY[:4], EVERY[4:]])
    assert (table.full, table.prefix, table.depth, table.images) == (17, 1, 4, 6)
    for block, count in ((0, 2), (1, 7), (2, 14)):
        tokens = (17,) * block + (count,) * (4 - block)
        each = by_hand(model, EVERY, Schedule(tokens, full=17, prefix=1))
        row = table.blocks[block]
        column = row.counts.index(count)
        assert row.damage[column] == pytest.approx(np.mean(each), rel=1e-4)
        error = np.std(each, ddof=1) / np.sqrt(6)
        assert row.errors[column] == pytest.approx(error, rel=1e-4)
    assert max(table.blocks[0].damage) > 1e-3


def test_the_last_cut_loses_nothing_where_the_head_reads_the_prefix() -> None:
    last = measure_damage(tiny(), [EVERY]).blocks[-1]
    assert last.counts[0] == 1
    assert max(last.damage) < 1e-10
    pooled = measure_damage(tiny("no-prefix"), [EVERY]).blocks[-1]
    assert pooled.counts[0] == 1  # one patch
    assert pooled.damage[0] > 1e-4


def test_the_model_is_not_touched() -> None:
    model = tiny().train()
    before, weights = anatomy(model), digest_of_weights(model)
    measure_damage(model, [EVERY])
    assert anatomy(model) == before
    assert digest_of_weights(model) == weights


def test_neither_order_nor_batches_matter() -> None:
    one = measure_damage(tiny(), [EVERY])
    other = measure_damage(tiny(), [(EVERY[[5, 1]], "labels"), (EVERY[[0, 2, 4, 3]], "others")])
    assert (one.pictures, one.weights) == (other.pictures, other.weights)
    for left, right in zip(one.blocks, other.blocks, strict=True):
        np.testing.assert_allclose(left.damage, right.damage, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(left.errors, right.errors, rtol=1e-5, atol=1e-6)
    assert measure_damage(tiny(), [EVERY]) == one


def test_what_is_next_to_nothing_is_judged_image_by_image() -> None:
    """Where some images are below the limit and some above, as their batch has it or alone."""
    model = tiny()
    with torch.no_grad():
        model.head.weight *= 0.02
    one = measure_damage(model, [EVERY])
    other = measure_damage(model, [image[None] for image in EVERY])
    small = [d for row in one.blocks[:-1] for d in row.damage]
    assert min(small) < 1e-5 < max(small)
    for left, right in zip(one.blocks, other.blocks, strict=True):
        np.testing.assert_allclose(left.damage, right.damage, rtol=1e-3, atol=1e-11)


def test_digests_tell_weights_and_images_apart() -> None:
    one = measure_damage(tiny(), [EVERY])
    assert measure_damage(tiny(seed=2), [EVERY]).weights != one.weights
    assert measure_damage(tiny(), [images(6, seed=5)]).pictures != one.pictures


def test_without_a_classifier_features_are_compared_by_their_angle() -> None:
    model = tiny(num_classes=0)
    table = measure_damage(model, [EVERY])
    assert table.divergence == "cosine"
    schedule = Schedule((4,) * 4, full=17, prefix=1)
    dense = logits(model, EVERY)
    cut = logits(apply(tiny(num_classes=0), schedule), EVERY)
    away = 1 - torch.nn.functional.cosine_similarity(dense.double(), cut.double())
    damage = table.blocks[0].damage[table.blocks[0].counts.index(4)]
    assert damage == pytest.approx(float(away.mean()), rel=1e-4)


def test_divergences_by_hand() -> None:
    dense, cut = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, float(np.log(3))]])
    # 1/2 log(1/2 / 1/4) + 1/2 log(1/2 / 3/4)
    by_hand = 0.5 * np.log(2) + 0.5 * np.log(2 / 3)
    assert divergences(dense, cut, name="kl") == pytest.approx((by_hand,), rel=1e-6)
    right = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    assert divergences(*right, name="cosine") == pytest.approx((1.0,))
    assert divergences(right[0], 2 * right[0], name="cosine") == (0.0,)


def test_schedules_are_measured_whole() -> None:
    model = tiny()
    schedules = [
        Schedule((17,) * 4, full=17, prefix=1),
        Schedule((17, 12, 12, 1), full=17, prefix=1),
        Schedule((9, 9, 4, 4), full=17, prefix=1),
    ]
    found = measure_schedules(model, [EVERY[:2], EVERY[2:]], schedules)
    assert (found[0].damage, found[0].error, found[0].agreement) == (0.0, 0.0, 1.0)
    for schedule, each in zip(schedules[1:], found[1:], strict=True):
        apart = by_hand(model, EVERY, schedule)
        assert each.damage == pytest.approx(np.mean(apart), rel=1e-4)
        assert each.error == pytest.approx(np.std(apart, ddof=1) / np.sqrt(6), rel=1e-4)
    dense = logits(model, EVERY).argmax(1)
    cut = logits(apply(model, schedules[2]), EVERY).argmax(1)
    assert found[2].agreement == float((dense == cut).double().mean())


def test_an_interrupted_measurement_goes_on_to_the_same_table(tmp_path: Path) -> None:
    batches, path = [EVERY[:3], EVERY[3:]], tmp_path / "damage.yaml.partial"
    whole = measure_damage(tiny(), batches)
    blocks = 0

    def stop(_: float) -> None:
        nonlocal blocks
        blocks += 1
        if blocks == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_damage(tiny(), batches, journal=path, on_images=stop)
    lines = path.read_bytes().splitlines()
    path.write_bytes(path.read_bytes() + b'{"batch": "cut sho')
    ran: list[float] = []
    resumed = measure_damage(tiny(), batches, journal=path, on_images=ran.append)
    assert resumed == whole
    assert sum(ran) == pytest.approx(6)
    assert path.read_bytes().splitlines()[: len(lines)] == lines
    assert len(path.read_bytes().splitlines()) == len(set(path.read_bytes().splitlines()))


def test_readings_on_file_are_not_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "partial"
    whole = measure_damage(tiny(), [EVERY], journal=path)
    monkeypatch.setattr(Tails, "dense", lambda *_: pytest.fail("the model was run"))
    assert measure_damage(tiny(), [EVERY], journal=path) == whole


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [lines[0].replace(b"pomt", b"cls"), *lines[1:]], "score is cls in the"),
        (lambda lines: [b"{}", *lines[1:]], "is None in the journal"),
        (lambda _: [b"[]"], "found no mapping of what was measured"),
        (lambda lines: [*lines, b"nonsense"], "no JSON"),
        (lambda lines: [*lines, b'{"batch": "a", "block": 0, "count": 1}'], "damage: missing"),
        (
            lambda lines: [*lines, b'{"batch": "a", "block": 0, "count": 1, "damage": [-1]}'],
            "allowed is a finite number of 0 or more",
        ),
    ],
)
def test_the_journal_of_something_else_is_refused(
    tmp_path: Path, change: Any, said: str
) -> None:
    path = tmp_path / "partial"
    measure_damage(tiny(), [EVERY], journal=path)
    path.write_bytes(b"\n".join(change(path.read_bytes().splitlines())) + b"\n")
    before = path.read_bytes()
    with pytest.raises(DamageError) as caught:
        measure_damage(tiny(), [EVERY], journal=path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}: line ")
    assert str(caught.value).endswith("; remove the file to begin anew")
    assert path.read_bytes() == before


def test_the_journal_of_other_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "partial"
    measure_damage(tiny(), [EVERY], journal=path)
    with pytest.raises(DamageError, match=r"weights is [0-9a-f]{60} in the journal"):
        measure_damage(tiny(seed=2), [EVERY], journal=path)


def test_readings_of_other_images_are_not_used(tmp_path: Path) -> None:
    path = tmp_path / "partial"
    measure_damage(tiny(), [EVERY], journal=path)
    others = images(6, seed=7)
    assert measure_damage(tiny(), [others], journal=path) == measure_damage(tiny(), [others])


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(DamageError) as caught:
        measure_damage(tiny(), [EVERY[:1]])
    assert str(caught.value) == (
        "found 1 images: give 2 or more, and a hundred for a good table"
    )
    with pytest.raises(
        DamageError, match=r"the model carries a schedule.* undo\(model\) first"
    ):
        measure_damage(apply(tiny(), Schedule((9,) * 4, full=17, prefix=1)), [EVERY])
    with pytest.raises(
        DamageError, match=r"the model answers \(6, 17, 24\): allowed is one row"
    ):
        measure_damage(tiny(num_classes=0, global_pool=""), [EVERY])
    with pytest.raises(
        DamageError, match="block 0 cut to 2 tokens: the answers are not finite"
    ):
        measure_damage(tiny(), [EVERY * float("nan")])


def test_counts_reach_from_one_patch_to_nearly_all() -> None:
    work = describe("deit_small_patch16_224")
    counts = counts_to_measure(work)
    assert counts[0] == counts[10] == (2, 11, 40, 79, 119, 158)
    assert counts[11] == (1, *counts[0])
    pooled = counts_to_measure(describe("vit_base_patch16_siglip_224"))
    assert pooled[11] == pooled[0] == (1, 10, 39, 78, 118, 157)


def test_counts_of_the_callers_own() -> None:
    table = measure_damage(tiny(), [EVERY], counts=[(9,), (5, 9), (9,), (1,)])
    assert isinstance(table, DamageTable)
    assert [row.counts for row in table.blocks] == [(9,), (5, 9), (9,), (1,)]


def test_a_journal_line_is_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "partial"
    measure_damage(tiny(), [EVERY], journal=path, counts=[(9,)] * 4)
    header, *lines = map(json.loads, path.read_text().splitlines())
    assert header["model"] == "VisionTransformer"
    assert [(line["block"], line["count"], len(line["damage"])) for line in lines] == [
        (block, 9, 6) for block in range(4)
    ]
