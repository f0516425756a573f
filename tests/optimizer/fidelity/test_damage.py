"""The table of damage: what it refuses, and how it is written and read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from latmodel.errors import FieldError, ProfileError
from latmodel.files import write_yaml
from optimizer.errors import DamageError, ScheduleError
from optimizer.fidelity.damage import BlockDamage
from optimizer.fidelity.saving import read_damage, write_damage
from tests.optimizer.devices import TINY
from tests.optimizer.fidelity.tables import DIGEST, block, table


@pytest.mark.parametrize("name", ["damage.yaml", "damage.json"])
@pytest.mark.parametrize("changes", [{}, {"proportional": True}, {"divergence": "cosine"}])
def test_a_table_comes_back_as_it_was_written(
    tmp_path: Path, name: str, changes: dict[str, Any]
) -> None:
    written = table(block(1e-7, 1e-11, counts=(1, 2)), block(0.1 + 0.2), **changes)
    write_damage(tmp_path / name, written)
    assert read_damage(tmp_path / name) == written


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"divergence": "l2"}, "divergence is 'l2': must be one of kl, cosine"),
        (
            {"score": "best"},
            "score is 'best': must be one of pomt, cls, value-norm, key-norm, "
            "received-attention, random",
        ),
        ({"dropped": "keep"}, "dropped is 'keep': must be one of drop, average, merge"),
        ({"weights": "abc"}, "weights is 'abc': must be a SHA-256"),
        ({"pictures": DIGEST.upper()}, f"pictures is {DIGEST.upper()!r}: must be a SHA-256"),
        ({"blocks": ()}, "blocks is empty: a model has one at least"),
        ({"images": 1}, "images is 1: must be 2 or more, for an error"),
        (
            {"full": 9},
            "blocks[0] has counts from 2 to 9: must be from the prefix (1) to below the full "
            "count (9)",
        ),
        (
            {"prefix": 3},
            "blocks[0] has counts from 2 to 9: must be from the prefix (3) to below the full "
            "count (17)",
        ),
    ],
)
def test_what_is_no_table_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DamageError) as caught:
        replace(table(), **changes)
    assert str(caught.value) == said


def test_proportional_attention_needs_sizes() -> None:
    with pytest.raises(ScheduleError, match="proportional is True and dropped is 'drop'"):
        table(dropped="drop", proportional=True)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            ((2, 5), (1.0,), (0.1,)),
            "found 2 counts, 1 damages and 1 errors: must be as many of each, and one at least",
        ),
        (
            ((), (), ()),
            "found 0 counts, 0 damages and 0 errors: must be as many of each, and one at least",
        ),
        (((5, 5), (1.0, 1.0), (0.1, 0.1)), "counts are [5, 5]: must be positive and ascend"),
        (((0,), (1.0,), (0.1,)), "counts are [0]: must be positive and ascend"),
        (((5,), (-0.1,), (0.1,)), "damage and errors must be from 0 to 1e+06"),
        (((5,), (2e6,), (0.1,)), "damage and errors must be from 0 to 1e+06"),
        (((5,), (1.0,), (float("nan"),)), "damage and errors must be from 0 to 1e+06"),
    ],
)
def test_what_is_no_block_is_refused(values: tuple[Any, Any, Any], said: str) -> None:
    with pytest.raises(DamageError) as caught:
        BlockDamage(*values)
    assert str(caught.value) == said


def _without(mapping: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda m: m | {"format": 2}, FieldError, "format: found an integer 2, allowed is 1"),
        (lambda m: m | {"full_tokens": "17"}, FieldError, "allowed is an integer"),
        (lambda m: m | {"extra": 1}, FieldError, "extra: unknown key"),
        (lambda m: _without(m, "images"), FieldError, "images: missing"),
        (lambda m: m | {"blocks": [1]}, FieldError, "blocks[0]: found an integer 1"),
        (lambda m: m | {"images": True}, FieldError, "images: found a yes/no value True"),
        (
            lambda m: m | {"blocks": [{"counts": [2], "damage": [1e999], "errors": [0]}]},
            FieldError,
            "blocks[0].damage.0: found a number inf",
        ),
        (
            lambda m: m | {"blocks": [{"counts": [2], "damage": [], "errors": [0.0]}]},
            DamageError,
            "found 1 counts, 0 damages and 1 errors",
        ),
    ],
)
def test_hostile_files_are_refused_by_field(
    tmp_path: Path, change: Any, error: type[Exception], said: str
) -> None:
    path = tmp_path / "damage.json"
    path.write_text(json.dumps(change(table().to_dict())))
    with pytest.raises(error) as caught:
        read_damage(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="No such file"):
        read_damage(tmp_path / "none.yaml")
    tagged = tmp_path / "tagged.yaml"
    tagged.write_text("format: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(FieldError, match="tags are not allowed"):
        read_damage(tagged)
    write_yaml(tmp_path / "list.yaml", {"format": [1]})
    with pytest.raises(FieldError, match="format: found a list, allowed is an integer"):
        read_damage(tmp_path / "list.yaml")


def test_a_table_is_for_what_was_measured() -> None:
    how: dict[str, Any] = {"score": "pomt", "dropped": "average", "proportional": False}
    good = table(*(block(1.0),) * TINY.depth, model="test_vit", full=TINY.tokens)
    good.require_of(TINY, **how)
    for changes, asked, said in (
        ({"model": "other"}, {}, "model is 'other' in the damage table and 'test_vit' in"),
        ({"full": 197}, {}, "full_tokens is 197 in the damage table and 101 in"),
        ({"prefix": 2}, {}, "prefix_tokens is 2 in the damage table and 1 in"),
        ({"blocks": (block(1.0),)}, {}, "depth is 1 in the damage table and 6 in"),
        ({}, {"score": "cls"}, "score is 'pomt' in the damage table and 'cls' in"),
        ({}, {"dropped": "drop"}, "dropped is 'average' in the damage table and 'drop' in"),
        ({}, {"proportional": True}, "proportional is False in the damage table and True in"),
    ):
        with pytest.raises(DamageError) as caught:
            replace(good, **changes).require_of(TINY, **(how | asked))
        assert str(caught.value) == (
            f"{said} the question: measure a table for it, or ask what the table is for"
        )


def test_the_least_count_leaves_the_last_block_out() -> None:
    assert table(block(1.0, counts=(5,)), block(0.0, counts=(1,))).least == 5
    assert table(block(1.0, counts=(5,))).least == 5
