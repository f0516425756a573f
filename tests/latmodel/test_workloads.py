from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel import workloads as workloads_module
from latmodel.architectures import describe
from latmodel.errors import FieldError, UnknownModelError, WorkloadError
from latmodel.files import data_folder
from latmodel.workload import Workload
from latmodel.workloads import find_workload, listed_workloads, to_csv
from tests.latmodel.golden import PAPER_VIT
from tests.latmodel.strategies import workloads

# One of each kind that timm's plain vision transformers come in, small ones.
SPREAD = (
    "aimv2_large_patch14_224",  # gated, no prefix, no head
    "beit3_base_patch16_224",  # a mean of the patches beside a class token
    "deit3_small_patch16_224",  # layer scale
    "deit_small_patch16_224",
    "deit_tiny_distilled_patch16_224",  # two prefix tokens
    "test_vit3",
    "vit_base_patch16_siglip_224",  # attention pooling
    "vit_pe_core_tiny_patch16_384",  # the same, with a class token and rotations
    "vit_relpos_base_patch16_cls_224",  # relative positions
    "vit_small_patch14_dinov2",
    "vit_small_patch14_reg4_dinov2",  # registers
    "vit_so150m_patch16_reg4_gap_256",
    "vit_tiny_patch16_224",
    "vit_wee_patch16_reg1_gap_256",
)


@pytest.mark.parametrize("name", SPREAD)
def test_the_list_says_what_the_installed_timm_builds(name: str) -> None:
    assert listed_workloads()[name] == describe(name)


def test_the_list_says_whose_head_reads_the_prefix_alone() -> None:
    """A class token's and a distilled head do; a mean's, a pool's and no head do not."""
    listed = listed_workloads()
    assert {name for name in SPREAD if listed[name].prefix_head} == {
        "deit3_small_patch16_224",
        "deit_small_patch16_224",
        "deit_tiny_distilled_patch16_224",
        "vit_relpos_base_patch16_cls_224",
        "vit_small_patch14_dinov2",
        "vit_small_patch14_reg4_dinov2",
        "vit_tiny_patch16_224",
    }


def test_the_list_holds_the_models_that_people_ask_for() -> None:
    listed = listed_workloads()
    assert set(SPREAD) <= set(listed)
    assert len(listed) > 100
    assert list(listed) == sorted(listed)


def test_deit_small_by_hand() -> None:
    """Touvron et al. 2021, arXiv:2012.12877, table 1; 224 / 16 = 14, 14 * 14 + 1 = 197."""
    assert find_workload("deit_small_patch16_224", batch=8, dtype="fp16") == Workload(
        model="deit_small_patch16_224",
        depth=12,
        dim=384,
        heads=6,
        head_dim=64,
        mlp_width=1536,
        tokens=197,
        prefix=1,
        patch_inputs=16 * 16 * 3,
        classes=1000,
        batch=8,
        dtype="fp16",
        prefix_head=True,
    )


def test_a_pretrained_tag_is_answered_by_timm() -> None:
    """ImageNet-21k has 21,843 classes in timm's checkpoints, ImageNet-1k has 1,000."""
    assert find_workload("vit_tiny_patch16_224.augreg_in21k").classes == 21_843
    assert find_workload("vit_tiny_patch16_224").classes == 1000
    tagged = find_workload("deit_small_patch16_224.fb_in1k", batch=4)
    assert tagged == find_workload("deit_small_patch16_224", batch=4)


@pytest.mark.parametrize("tag", ["nonsense", "fb_in1k.fb_in1k"])
def test_an_unknown_tag_is_an_unknown_model(tag: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        find_workload(f"deit_small_patch16_224.{tag}")
    message = str(caught.value)
    assert f" has no model 'deit_small_patch16_224.{tag}': " in message
    assert message.endswith("; did you mean deit_small_patch16_224?")


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "xcit_nano_12_p16_224"])
def test_other_architectures_are_not_listed(name: str) -> None:
    assert name not in listed_workloads()


def test_convolutional_stems_are_not_listed() -> None:
    """Their embedding is a ResNet, not one product of patches and weights."""
    assert not [
        name for name in listed_workloads() if re.search(r"_(r|r\d+|resnet\d+d?)_", name)
    ]


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_is_positive(batch: int) -> None:
    with pytest.raises(WorkloadError) as caught:
        find_workload("deit_small_patch16_224", batch=batch)
    assert str(caught.value) == f"batch is {batch}: must be 1 or more"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(workloads_module, "data_folder", lambda: tmp_path)
    return tmp_path


# In the list numbers and yes or no are told from text by their looks; names are names.
names = st.from_regex(r"[a-z][a-z0-9_,\"' ]{0,20}", fullmatch=True).filter(
    lambda name: name == name.strip()
)


@given(drawn=st.lists(st.tuples(names, workloads()), min_size=1, max_size=3))
def test_the_list_as_text_is_read_as_the_list(
    drawn: list[tuple[str, Workload]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    listed = {
        name: replace(workload, model=name).at(batch=1, dtype="fp32")
        for name, workload in drawn
    }
    place = tmp_path_factory.mktemp("list")
    (place / "workloads.csv").write_text(to_csv(listed.values()), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workloads_module, "data_folder", lambda: place)
        assert listed_workloads() == listed


def test_writing_the_shipped_list_gives_it_again() -> None:
    shipped = (data_folder() / "workloads.csv").read_text(encoding="utf-8")
    assert to_csv(listed_workloads().values()) == shipped


def test_a_malformed_row_is_refused(folder: Path) -> None:
    text = to_csv([PAPER_VIT])
    (folder / "workloads.csv").write_text(text.replace(",2,8,", ",two,8,"), encoding="utf-8")
    with pytest.raises(FieldError) as caught:
        listed_workloads()
    assert str(caught.value) == (
        "workloads.csv: paper_vit.depth: found text 'two', allowed is an integer of 1 or more"
    )
