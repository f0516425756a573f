"""Hypothesis strategies: every value of a profile, drawn from all that is allowed."""

from __future__ import annotations

import string

import numpy as np
from hypothesis import strategies as st

from latmodel.curve import Curve
from latmodel.ending import Ending
from latmodel.environment import Environment
from latmodel.measurement import Measurement
from latmodel.profile import CONFIDENCES, DeviceProfile, ErrorFigure, Provenance
from latmodel.table import LatencyTable
from latmodel.workload import DTYPES, Workload
from latmodel.workload_curves import WorkloadCurves

__all__ = [
    "curves",
    "environments",
    "measurements",
    "profiles",
    "tables",
    "words",
    "workload_curves",
    "workloads",
]

# Text that YAML 1.1 reads as something else unless it is quoted.
_TRAPS = ("no", "1e3", "12:30", "010", "0x1f", "null", "~", "2001-01-01", ".nan", "=", "<<")

_LONG = "a line that is longer than a file's width, so that the writer has to fold it: " * 3

words = st.sampled_from((*_TRAPS, _LONG)) | st.text(min_size=1, max_size=20).filter(
    # PyYAML writes the next-line character as it is and reads it as a space.
    lambda text: bool(text.strip()) and "\x85" not in text
)
"""Text that is not empty, of any character that UTF-8 can hold."""


@st.composite
def measurements(draw: st.DrawFn, counts: st.SearchStrategy[int]) -> Measurement:
    """One probe, its samples within an hour, now and then read at varying speeds."""
    count = draw(counts)
    samples = draw(st.lists(st.integers(1, 3600 * 10**9), min_size=1, max_size=5))
    if draw(st.booleans()):
        return Measurement(count, tuple(samples))
    some = st.just(0.0) | st.floats(0.1, 10)
    speeds = draw(st.lists(some, min_size=len(samples), max_size=len(samples)).filter(any))
    return Measurement(count, tuple(samples), tuple(speeds))


@st.composite
def curves(draw: st.DrawFn, *, full: int | None = None, most: int = 6) -> Curve:
    """Any curve; with `full`, one that spans 1 to it."""
    if full is None:
        counts = draw(st.sets(st.integers(1, 600), min_size=1, max_size=most))
    else:
        counts = draw(st.sets(st.integers(1, full), max_size=most)) | {1, full}
    return Curve(tuple(draw(measurements(st.just(count))) for count in sorted(counts)))


@st.composite
def workloads(draw: st.DrawFn, *, most_tokens: int = 600) -> Workload:
    """Any shapes that a plain vision transformer may have."""
    size = st.integers(1, 10_000)
    tokens = draw(st.integers(1, most_tokens))
    prefix = draw(st.integers(0, min(tokens - 1, 5)))
    return Workload(
        model=draw(words),
        depth=draw(st.integers(1, 48)),
        dim=draw(size),
        heads=draw(size),
        head_dim=draw(size),
        mlp_width=draw(size),
        tokens=tokens,
        prefix=prefix,
        patch_inputs=draw(size),
        classes=draw(st.integers(0, 22_000)),
        batch=draw(size),
        dtype=draw(st.sampled_from(DTYPES)),
        gated_mlp=draw(st.booleans()),
        layer_scale=draw(st.booleans()),
        qk_norm=draw(st.booleans()),
        prefix_head=prefix > 0 and draw(st.booleans()),
    )


@st.composite
def workload_curves(draw: st.DrawFn) -> WorkloadCurves:
    """Measured parts of any workload, every curve from 1 to the full count."""
    workload = draw(workloads())
    return WorkloadCurves(
        workload=workload,
        blocks=draw(curves(full=workload.tokens)),
        mlps=draw(curves(full=workload.tokens, most=3)),
        cut=draw(curves(full=workload.tokens, most=2)),
        ends_ns=draw(st.integers(1, 10**12)),
    )


def environments() -> st.SearchStrategy[Environment]:
    """Any circumstances; what need not be known is sometimes unknown."""
    unknown = st.just("") | words
    return st.builds(
        Environment,
        device=words,
        runtime=words,
        dtype=words,
        threads=st.integers(0, 256),
        clock_mhz=st.integers(0, 9000),
        power_mode=unknown,
        system=unknown,
        python=unknown,
        torch=unknown,
        timm=unknown,
        driver=unknown,
        runtime_version=unknown,
    )


def profiles(name: str) -> st.SearchStrategy[DeviceProfile]:
    """Any profile of curves, called `name`; a file does not hold its own name."""
    sources = st.builds(
        Provenance,
        source=words,
        measured=words,
        derived=st.just("") | words,
        licence=st.just("") | words,
    )
    figures = st.builds(
        ErrorFigure,
        what=words,
        mean_percent=st.floats(0, 1e6),
        rows=st.integers(1, 10**6),
    )
    return st.builds(
        DeviceProfile,
        name=st.just(name),
        device=words,
        confidence=st.sampled_from(CONFIDENCES),
        provenance=st.lists(sources, min_size=1, max_size=2).map(tuple),
        errors=st.lists(figures, max_size=2).map(tuple),
        warnings=st.lists(words, max_size=2).map(tuple),
        environment=st.none() | environments(),
        curves=st.tuples(workload_curves()),
    )


@st.composite
def tables(draw: st.DrawFn, *, depths: int = 4, options: int = 5) -> LatencyTable:
    """Any latency table; latencies fall and jump."""
    depth = draw(st.integers(1, depths))
    counts = sorted(draw(st.sets(st.integers(1, 99), min_size=1, max_size=options)))
    prefix = draw(st.integers(1, counts[0]))
    shape = (depth, len(counts))
    size = shape[0] * shape[1]

    def numbers() -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        drawn = draw(st.lists(st.integers(0, 10**12), min_size=size, max_size=size))
        return np.array(drawn, dtype=np.int64).reshape(shape)

    def ending() -> Ending | None:
        if depth < 2 or draw(st.booleans()):
            return None
        return Ending(
            prefix=prefix, segment_ns=numbers()[0], mlp_ns=draw(st.integers(0, 10**12))
        )

    return LatencyTable(
        counts=np.array(counts, dtype=np.int64),
        segment_ns=numbers(),
        cut_ns=numbers(),
        fixed_ns=draw(st.integers(0, 10**12)),
        relative_error=np.full(len(counts), draw(st.floats(0, 1))),
        origin=draw(st.text(string.ascii_letters, min_size=1)),
        ending=ending(),
    )
