from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from latmodel.catalogue import read_profile, write_profile
from latmodel.environment import Environment
from latmodel.errors import ProfileError
from latmodel.importing import import_readings
from latmodel.measurement import Measurement
from latmodel.profile import DeviceProfile, ErrorFigure
from latmodel.readings import MOST_ROWS, Reading, Readings, parse_readings
from tests.latmodel.golden import PAPER_VIT

# 2 blocks of 8 features on 4 tokens. Latencies in ns, few enough for paper.
WHOLE = """\
part,tokens,latency_ns
block,1,10
block,4,40
block,4,42
mlp,1,5
mlp,4,20
cut,1,7
cut,4,9
ends,4,50
model,4,132
"""

ONCE = (
    "1 of 2 counts of the block were read once: how far readings vary is unknown there; repeat "
    "them"
)
NO_WHOLE = (
    "the whole model was not timed, so nothing checks the sum of its parts: measure model,4 "
    "and import again"
)
MLP = "no row of mlp: estimated, MLP halves by their share of a block's arithmetic"
CUT = (
    "no row of cut: estimated, a cut as a block at 1 token, for its launches, and the share of "
    "a block's arithmetic at the full count that its scores take"
)
ENDS = (
    "no row of ends: estimated, embedding and head by their arithmetic, at the speed of a block"
)


def imported(text: str, **texts: str) -> DeviceProfile:
    readings = parse_readings(text, full=PAPER_VIT.tokens)
    return import_readings(
        readings, PAPER_VIT, **{"device": "Paper Board", "name": "paper", **texts}
    )


def without(*starts: str) -> str:
    return "".join(
        line for line in WHOLE.splitlines(keepends=True) if not line.startswith(starts)
    )


def test_one_block_becomes_all_blocks() -> None:
    """Two blocks, so twice one; a cut and the ends stand once in the model."""
    (curves,) = imported(WHOLE).curves
    assert curves.workload == PAPER_VIT
    assert curves.blocks.probes == (Measurement(1, (20,)), Measurement(4, (80, 84)))
    assert curves.mlps.probes == (Measurement(1, (10,)), Measurement(4, (40,)))
    assert curves.cut.probes == (Measurement(1, (7,)), Measurement(4, (9,)))
    assert curves.ends_ns == 50


def test_the_table_by_hand() -> None:
    """Ends 50; two blocks of 41 on all tokens; cut to 1 token, a block 10, an MLP half 5."""
    table = imported(WHOLE).table(PAPER_VIT)
    assert table.dense_ns == 50 + 41 + 41
    assert table.latency_ns((1, 1)) == 50 + 21 + 10 + 5 + 7
    assert table.latency_ns((4, 1)) == 50 + 21 + 41 + 5 + 7


def test_what_was_measured_and_what_was_derived_is_said() -> None:
    profile = imported(WHOLE, runtime="TensorRT 10.3", source="results.csv")
    assert profile.confidence == "medium"
    assert profile.warnings == (ONCE,)
    assert profile.errors == (
        ErrorFigure(what="the unpruned model, timed as a whole", mean_percent=0.0, rows=1),
    )
    (provenance,) = profile.provenance
    assert provenance.to_dict() == {
        "source": "latmodel import of results.csv, TensorRT 10.3",
        "measured": "one block at 2 token counts, one MLP half at 2, a cut at 2, embedding and "
        "head",
        "derived": "all blocks as 2 times one block, timed alone; all MLP halves likewise; "
        "attention halves by difference; counts between readings by a slope and steps where "
        "tiles end",
    }
    assert profile.environment == Environment(
        device="Paper Board", runtime="TensorRT 10.3", dtype="fp32", threads=0
    )


def test_without_a_runtime_there_is_no_environment() -> None:
    profile = imported(WHOLE)
    assert profile.environment is None
    assert profile.provenance[0].source == "latmodel import of a list of readings"


# Operations of one block, by hand: 544 + 512 on 1 token; 2560 + 2048 on 4, of which the
# product of queries and keys is 256; embedding and head are 736. At 1 ns an operation on
# 1 token and 10 on 4, blocks take 1056 and 46080 ns.
BLOCKS = "part,tokens,latency_ns\nblock,1,1056\nblock,4,46080\n"


def test_a_part_without_a_row_is_estimated_by_the_stated_rule() -> None:
    profile = imported(BLOCKS)
    (curves,) = profile.curves
    assert curves.mlps.probes == (Measurement(1, (2 * 512,)), Measurement(4, (2 * 20480,)))
    assert curves.cut.probes == (Measurement(1, (1056 + 2560,)), Measurement(4, (3616,)))
    assert curves.ends_ns == 7360
    assert profile.confidence == "low"
    assert profile.warnings[:3] == (MLP, CUT, ENDS)
    assert profile.provenance[0].measured == "one block at 2 token counts"
    assert profile.provenance[0].derived.endswith(
        "; MLP halves by their share of a block's arithmetic; a cut as a block at 1 token, for "
        "its launches, and the share of a block's arithmetic at the full count that its scores "
        "take; embedding and head by their arithmetic, at the speed of a block"
    )


@pytest.mark.parametrize(("part", "warning"), [("mlp", MLP), ("cut", CUT), ("ends", ENDS)])
def test_one_estimated_part_makes_the_confidence_low(part: str, warning: str) -> None:
    profile = imported(without(part, "model"))
    assert profile.confidence == "low"
    assert profile.warnings == (warning, NO_WHOLE, ONCE)


@pytest.mark.parametrize(
    ("dropped", "message"),
    [
        (("block,1",), "not measured: block,1; each curve must hold 1 and the full count 4"),
        (("block",),
         "not measured: block,1 and block,4; each curve must hold 1 and the full count 4"),
        (("block,4", "mlp,1"),
         "not measured: block,4 and mlp,1; each curve must hold 1 and the full count 4; a part "
         "without any row is estimated"),
        (("cut,4",),
         "not measured: cut,4; each curve must hold 1 and the full count 4; a part without any "
         "row is estimated"),
    ],
)  # fmt: skip
def test_rows_that_must_be_there_are_named(dropped: tuple[str, ...], message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        imported(without(*dropped))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("model_ns", "percent", "warning"),
    [
        (100, 32.0,
         "the parts come to 32 % more than the whole model: each part timed alone pays the "
         "tool's cost of a call, which the whole pays once, or the device's speed changed in "
         "between"),
        (200, 34.0,
         "the parts come to 34 % less than the whole model: a block timed alone finds its "
         "weights in a cache, which the whole does not, or the device's speed changed in "
         "between"),
    ],
)  # fmt: skip
def test_parts_that_are_not_the_whole_make_a_warning(
    model_ns: int, percent: float, warning: str
) -> None:
    profile = imported(WHOLE.replace("model,4,132", f"model,4,{model_ns}"))
    assert profile.errors[0].mean_percent == percent
    assert profile.warnings == (warning, ONCE)
    assert profile.confidence == "low"


def test_a_whole_that_was_not_timed_makes_a_warning() -> None:
    profile = imported(without("model"))
    assert profile.errors == ()
    assert profile.warnings == (NO_WHOLE, ONCE)


def test_noise_and_a_half_that_is_more_than_the_whole_make_warnings() -> None:
    """Medians 40, 50, 60: their deviation is 10, and 1.4826 times that is 30 % of 50."""
    text = without("block,4", "block,1,", "model") + (
        "block,1,4\nblock,1,4\nblock,4,40\nblock,4,50\nblock,4,60\n"
    )
    assert imported(text).warnings == (
        NO_WHOLE,
        "1 of 7 counts spread by more than 10 % between repeats (worst 30 % at block,4): lock "
        "the clocks, cool the device, repeat",
        "mlp,1 is slower than the block that holds it: the MLP half is taken as the whole "
        "block there",
    )


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"device": " "}, "device is empty: say in words what it is"),
        ({"source": ""}, "source is empty: say in words what it is"),
        ({"runtime": "\udcff"}, "runtime is '\\udcff': must be text that UTF-8 can hold"),
    ],
)
def test_words_that_no_profile_can_hold_are_refused(
    texts: dict[str, str], message: str
) -> None:
    with pytest.raises(ProfileError) as caught:
        imported(WHOLE, **texts)
    assert str(caught.value) == message


def test_the_largest_file_makes_a_profile_that_can_be_read_back(tmp_path: Path) -> None:
    """Every row a sample of an hour; MLP halves estimated, so that each stands twice."""
    rows = (
        Reading("block", 1, 36 * 10**11),
        *(MOST_ROWS - 1) * (Reading("block", 4, 36 * 10**11),),
    )
    profile = import_readings(
        Readings(rows), replace(PAPER_VIT, depth=1000), device="Board", name="large"
    )
    write_profile(tmp_path / "large.yaml", profile)
    assert read_profile(tmp_path / "large.yaml") == profile
