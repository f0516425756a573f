"""Hypothesis strategies: every value of an operator model, drawn from all that is allowed."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from latmodel.forest import Forest
from latmodel.kernels import Kernel
from latmodel.operator_kinds import PRODUCTS, STREAMS, Span
from latmodel.operators import OperatorModel
from latmodel.products import ProductModel
from latmodel.shapes import Product, shape_features
from latmodel.slowdowns import Governor, Throttle
from latmodel.streams import StreamModel, stream_features
from latmodel.stretches import MODES
from latmodel.trees import Tree
from tests.latmodel.strategies import words
from tests.latmodel.tree_texts import tree_texts

__all__ = ["governors", "kernels", "operator_models", "products", "streams", "throttles"]

_ONE = np.array(1.0)
_SHAPE = tuple(shape_features(Product(*[_ONE] * 5), sms=1, tiles=()))
_STREAM = tuple(stream_features({"rows": _ONE, "width": _ONE}, sms=1))

# Any bits, but not so large that their fourth powers leave what a float can hold.
_sizes = st.integers(1, 1024)
_times = st.floats(0, 1e12)
_speeds = st.floats(1e-6, 1e9)
_thresholds = st.floats(-1e15, 1e15)
_launches = st.floats(0, 1e9)

governors = st.builds(Governor, extra=_times, ramp_ns=st.floats(1e-9, 1e12))
throttles = st.builds(Throttle, extra=_times, ramp_ns=st.floats(1e-9, 1e12))


def _trees(names: tuple[str, ...], answers: st.SearchStrategy[float]) -> st.SearchStrategy[str]:
    return tree_texts(4, names=names, thresholds=_thresholds, answers=answers)


@st.composite
def kernels(draw: st.DrawFn) -> Kernel:
    """Any kernel; now and then one that is told how to split."""
    splits = st.none() | _trees(_SHAPE, st.integers(1, 64)).map(Tree.parse)
    return Kernel(
        name=draw(words),
        tile_rows=draw(_sizes),
        tile_columns=draw(_sizes),
        tile_reduction=draw(_sizes),
        blocks_per_sm=draw(_sizes),
        wave_ns=draw(_times),
        element_ns=draw(_times),
        first_element_ns=draw(_times),
        evenness=draw(st.floats(0, 1)),
        splits=tuple(draw(st.lists(_sizes, min_size=1, max_size=3))),
        split_choice=draw(splits),
        split_ns=draw(_times),
    )


@st.composite
def _spans(draw: st.DrawFn, names: tuple[str, ...]) -> tuple[Span, ...]:
    ends = [sorted(draw(st.tuples(_sizes, _sizes))) for _ in names]
    return tuple(Span(name, *pair) for name, pair in zip(names, ends, strict=True))


@st.composite
def products(draw: st.DrawFn, kinds: tuple[str, ...] = PRODUCTS) -> ProductModel:
    """Any model of `kinds`; trees, governor and throttle come and go."""
    own = tuple(draw(st.lists(kernels(), min_size=1, max_size=3)))
    tiles = [f"{k.tile_rows}x{k.tile_columns}" for k in own]
    shape = (*_SHAPE, *(f"n{tile}" for tile in tiles), *(f"pad{tile}" for tile in tiles))
    costs = ("kernel", "busy", "memory/busy", *(f"t{i}" for i in range(len(own))))
    choices = _trees(shape, st.integers(0, len(own) - 1)).map(Tree.parse)
    corrections = st.lists(_trees((*shape, *costs), st.floats(-99, 99)), max_size=3)
    return ProductModel(
        kinds=kinds,
        dtypes=tuple(draw(st.sampled_from([("fp32",), ("fp16", "bf16")]))),
        sms=draw(_sizes),
        bandwidth_gb_s=draw(_speeds),
        launch_ns=tuple(draw(_launches) for _ in kinds),
        kernels=own,
        choice=draw(st.none() | choices),
        governor=draw(st.none() | governors),
        throttle=draw(st.none() | throttles),
        correction=draw(corrections.map(Forest.parse)),
        relative_error=draw(st.floats(0, 9)),
        fitted=draw(st.just(()) | _spans(("rows", "reduction", "columns"))),
    )


@st.composite
def streams(draw: st.DrawFn) -> StreamModel:
    """Any model of all streams."""
    corrections = st.lists(_trees(_STREAM, st.floats(-99, 99)), max_size=3)
    return StreamModel(
        kinds=tuple(STREAMS),
        dtypes=tuple(draw(st.sampled_from([("fp32",), ("fp16", "bf16")]))),
        sms=draw(_sizes),
        bandwidth_gb_s=draw(_speeds),
        launch_ns=tuple(draw(_launches) for _ in STREAMS),
        correction=draw(corrections.map(Forest.parse)),
        relative_error=draw(st.floats(0, 9)),
        fitted=draw(st.just(()) | _spans(("rows", "width"))),
    )


@st.composite
def operator_models(draw: st.DrawFn) -> OperatorModel:
    """Any operator model; fused attention is not always known."""
    linear, bmm, attention = (products((kind,)) for kind in PRODUCTS)
    known = (draw(linear), draw(bmm), *draw(st.lists(attention, max_size=1)))
    return OperatorModel(
        products=known,
        streams=(draw(streams()),),
        gap_ns=draw(_launches),
        dispatch_ns=draw(_launches),
        patch_factor=draw(st.floats(0, 9)),
        mode=draw(st.sampled_from(MODES)),
    )
