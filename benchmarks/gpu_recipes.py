"""What the profiles of data-centre GPUs are made of: cards, sources, and what must be said."""

from __future__ import annotations

from typing import NamedTuple

from latmodel.card import Card

__all__ = ["RECIPES", "Recipe", "Source"]


class Source(NamedTuple):
    """Timings of one harness on one card.

    Attributes:
        readings: keys of `operator_data.SOURCES`, and the kinds that are taken from each; all
            kinds where none is named.
        card: its data sheet.
        harness: how operators were timed, one of `HARNESSES`.
        who: the source, with its address and commit.
        licence: of the source.
        how: how they were timed, in words.
        dtype: of all readings; "" for each source's own.
        also: a dtype of equal width whose kernels are the same; "" for none.
        few_widths: the linears are of a few layers at many token counts, so that their error
            must be that on layers held out.
    """

    readings: tuple[tuple[str, tuple[str, ...]], ...]
    card: Card
    harness: str
    who: str
    licence: str
    how: str
    dtype: str = ""
    also: str = ""
    few_widths: bool = False


class Recipe(NamedTuple):
    """One profile.

    Attributes:
        device: in words.
        sources: what is fitted.
        warnings: what every use must say, beside what the fit itself calls for.
        checks: keys of `operator_data.SOURCES` whose linears are compared with the profile,
            none of them fitted; and what they are, in words.
        models: a file of timm's results of whole models in amp; "" for none.
    """

    device: str
    sources: tuple[Source, ...]
    warnings: tuple[str, ...] = ()
    checks: tuple[tuple[str, str], ...] = ()
    models: str = ""


_NEUSIGHT = "NeuSight, https://github.com/sitar-lab/NeuSight, commit 6945927, train split"
_TRTLLM = "aiconfigurator, https://github.com/ai-dynamo/aiconfigurator, commit 095f58a"
_VIDUR = "Vidur, https://github.com/microsoft/vidur, commit 7d47513"
_SIM = "LLMServingSim, https://github.com/casys-kaist/LLMServingSim, commit 5daddb2"

_EAGER = "torch eager, each operator dispatched and waited for, random shapes"
_GRAPH = "products of TensorRT-LLM, timed in a CUDA graph, shapes of language models"

_ONE_TENSOR = (
    "in fp32, an addition was timed as one tensor plus a number, which moves two thirds of "
    "what adding two tensors moves: residual additions are up to a third too fast"
)
_TWO_CARDS = (
    "fp32 and 16 bits were timed on two cards: 1555 GB/s and 2039 GB/s, other power limits; do "
    "not compare them with each other"
)
_NARROW = (
    "the shapes that were timed are those of language models: widths below theirs are "
    "extrapolated"
)
_MICROSECONDS = "Vidur's times are whole microseconds: small operators are known to 1 us"


def _neusight(name: str, *, sms: int, bandwidth_gb_s: float, peak_gflops: float) -> Source:
    return Source(
        readings=((name, ()),),
        card=Card(sms=sms, bandwidth_gb_s=bandwidth_gb_s, peak_gflops={"fp32": peak_gflops}),
        harness="eager",
        who=_NEUSIGHT,
        licence="MIT",
        how=_EAGER,
    )


def _products(name: str, *, sms: int, bandwidth_gb_s: float, peak_gflops: float) -> Source:
    return Source(
        readings=((name, ()),),
        card=Card(sms=sms, bandwidth_gb_s=bandwidth_gb_s, peak_gflops={"bf16": peak_gflops}),
        harness="graph",
        who=_TRTLLM,
        licence="Apache-2.0",
        how=_GRAPH,
        also="fp16",
    )


# Multiprocessors, bandwidth, peak: NVIDIA's data sheets. (NeuSight's own list has 40
# multiprocessors for a P4; its launch grids bear out 20.) 16-bit peaks are those of dense
# products with sums in 32 bits.
RECIPES: dict[str, Recipe] = {
    "p4": Recipe(
        "NVIDIA Tesla P4 8GB, torch eager",
        (_neusight("p4", sms=20, bandwidth_gb_s=192, peak_gflops=5699),),
        (_ONE_TENSOR,),
    ),
    "t4": Recipe(
        "NVIDIA T4 16GB, torch eager",
        (_neusight("t4", sms=40, bandwidth_gb_s=320, peak_gflops=8141),),
        (_ONE_TENSOR,),
    ),
    "p100": Recipe(
        "NVIDIA Tesla P100 PCIe 16GB, torch eager",
        (_neusight("p100", sms=56, bandwidth_gb_s=732, peak_gflops=9519),),
        (_ONE_TENSOR,),
    ),
    "v100": Recipe(
        "NVIDIA Tesla V100 PCIe 32GB, torch eager",
        (_neusight("v100", sms=80, bandwidth_gb_s=900, peak_gflops=14029),),
        (_ONE_TENSOR,),
    ),
    "a100": Recipe(
        "NVIDIA A100: fp32 on PCIe 40GB, torch eager; 16 bits on SXM 80GB",
        (
            _neusight("a100", sms=108, bandwidth_gb_s=1555, peak_gflops=19492),
            Source(
                readings=(
                    ("a100-80gb", ()),
                    ("a100-80gb-vidur", ("norm", "gelu", "add")),
                ),
                card=Card(sms=108, bandwidth_gb_s=2039, peak_gflops={"bf16": 312_000}),
                harness="graph",
                who=f"{_TRTLLM} (linear); {_VIDUR} (norm, gelu, add)",
                licence="Apache-2.0 (aiconfigurator); MIT (Vidur)",
                how=f"{_GRAPH}; streams by a profiler, in fp16",
                dtype="bf16",
                also="fp16",
            ),
        ),
        (_TWO_CARDS, _ONE_TENSOR, _NARROW, _MICROSECONDS),
        checks=(
            ("a100-80gb-vidur", "linears of three language models in fp16 by Vidur, unseen"),
        ),
    ),
    "l40s": Recipe(
        "NVIDIA L40S 48GB, kernels alone",
        (_products("l40s", sms=142, bandwidth_gb_s=864, peak_gflops=362_000),),
        (_NARROW, "the readings of this card are noisy: equal work differs by up to a half"),
    ),
    "h200": Recipe(
        "NVIDIA H200 SXM 141GB, kernels alone",
        (_products("h200", sms=132, bandwidth_gb_s=4800, peak_gflops=989_000),),
        (_NARROW,),
    ),
    "a40": Recipe(
        "NVIDIA A40 48GB, kernels alone",
        (
            Source(
                readings=(("a40", ()),),
                card=Card(sms=84, bandwidth_gb_s=696, peak_gflops={"fp16": 149_700}),
                harness="graph",
                who=_VIDUR,
                licence="MIT",
                how="kernels of phi-2 and Llama-2-7B by a profiler, medians",
                also="bf16",
                few_widths=True,
            ),
        ),
        (_NARROW, _MICROSECONDS),
    ),
    "rtx3090": Recipe(
        "NVIDIA GeForce RTX 3090 24GB, kernels alone",
        (
            Source(
                readings=(("rtx3090", ()),),
                card=Card(sms=82, bandwidth_gb_s=936, peak_gflops={"bf16": 71_000}),
                harness="graph",
                who=_SIM,
                licence="MIT",
                how="linears of Llama-3-8B at every token count, over one and two devices; "
                "the source's 16 bits taken for bf16",
                also="fp16",
                few_widths=True,
            ),
        ),
        (_NARROW,),
        models="timm-amp-nchw-pt240-cu124-rtx3090.csv",
    ),
}
"""By the names of the profiles."""
