"""A shell script that times ONNX files with a board's own tool and writes the results down."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["TOOLS", "measure_script", "onnx_name"]

TOOLS = ("trtexec", "benchmark_app", "onnxruntime")
"""TensorRT's, OpenVINO's, and ONNX Runtime's `onnxruntime_perf_test`."""

_HEAD = """\
#!/bin/sh
# Times the parts of {what} with {tool}; appends a row for each to results.csv.
#
#   sh measure.sh                       three passes over all files
#   PASSES=5 sh measure.sh              more, so that a drifting clock meets all alike
#   OPTIONS='{example}' sh measure.sh
#                                       options of the tool, in place of: {options}
set -eu
export LC_ALL=C  # a decimal point, whatever the language
cd "$(dirname "$0")"
passes=${{PASSES:-3}}
options="${{OPTIONS-{options}}}"

"""

_MEASURE = """
# measure PART TOKENS FILE
measure() {
    if ! run "$3" > "$3.log" 2>&1; then
        echo "measure.sh: the tool failed on $3; its words are in $3.log" >&2
        exit 1
    fi
    latency_ms=$(read_ms "$3.log")
    if [ -z "$latency_ms" ]; then
        echo "measure.sh: no latency above 0 found in $3.log" >&2
        exit 1
    fi
    echo "$1,$2,$latency_ms" >> results.csv
    echo "$1 at $2 tokens: $latency_ms ms" >&2
}

pass=1
while [ "$pass" -le "$passes" ]; do
    echo "pass $pass of $passes" >&2
"""

_TAIL = """\
    pass=$((pass + 1))
done
"""

# An engine takes a minute to build and is kept for the next pass. The median is of what
# trtexec calls GPU compute time: no transfers, which the blocks of a whole model have not.
_TRTEXEC = """\
run() {
    if [ "$1.engine" -nt "$1" ]; then
        trtexec --loadEngine="$1.engine" $options
    else
        trtexec --onnx="$1" --saveEngine="$1.engine" $options
    fi
}

# ... GPU Compute Time: min = 5.35 ms, max = 13.34 ms, mean = 7.58 ms, median = 7.14 ms, ...
read_ms() {
    sed -n 's/.*GPU Compute Time: min = .*median = \\([0-9.eE+-]*\\) ms.*/\\1/p' "$1" |
        awk '$1 > 0 {printf "%.6f\\n", $1; exit}'
}
"""

# The tool prints milliseconds in some versions, microseconds below one in others.
_BENCHMARK_APP = """\
run() {
    benchmark_app -m "$1" -api sync $options
}

# [ INFO ]    Median:        39.56 us
read_ms() {
    sed -n 's/.*Median: *\\([0-9.]*\\) *\\([mu]s\\).*/\\1 \\2/p' "$1" |
        awk '$1 > 0 {printf "%.6f\\n", $2 == "us" ? $1 / 1000 : $1; exit}'
}
"""

# `-I` makes the inputs up, `-s` prints percentiles, in seconds.
_ONNXRUNTIME = """\
run() {
    onnxruntime_perf_test -I -s $options "$1"
}

# P50 Latency: 0.00727787 s
read_ms() {
    sed -n -e 's/^P50 Latency: *\\([0-9.eE+-]*\\) *s.*/\\1/p' \\
        -e 's/^P50 Latency is *\\([0-9.eE+-]*\\) *s.*/\\1/p' "$1" |
        awk '$1 > 0 {printf "%.6f\\n", $1 * 1000; exit}'
}
"""

_BODIES = {
    "trtexec": _TRTEXEC,
    "benchmark_app": _BENCHMARK_APP,
    "onnxruntime": _ONNXRUNTIME,
}


def onnx_name(part: str, count: int) -> str:
    """The name of one part's file, inside the folder of the script."""
    return f"{part}-{count}.onnx"


def measure_script(rows: Iterable[tuple[str, int]], *, tool: str, dtype: str, what: str) -> str:
    """The text of a POSIX shell script that stands beside `results.csv` and the files.

    It has one line per file. The tool's own output stays in a log beside each file; where
    no latency is found in it the script ends with a message, so no row is made up.

    Args:
        rows: part and count of each file.
        tool: one of `TOOLS`.
        dtype: one of `latmodel.workload.DTYPES`, that of the files.
        what: the model, in words.
    """
    options, example = _options(tool, dtype)
    head = _HEAD.format(what=what, tool=tool, options=options, example=example)
    lines = (f"    measure {part} {count} {onnx_name(part, count)}\n" for part, count in rows)
    return "".join((head, _BODIES[tool], _MEASURE, *lines, _TAIL))


def _options(tool: str, dtype: str) -> tuple[str, str]:
    """The tool's options by default, and others for an example."""
    if tool == "trtexec":
        # The files hold the dtype. TensorRT 10 keeps to it if told to, 11 always does, 8
        # must be allowed to use it by --fp16.
        typed = "" if dtype == "fp32" else "--stronglyTyped"
        return f"{typed} --useSpinWait".strip(), f"--{'noTF32' if not typed else dtype}"
    if tool == "benchmark_app":
        # On a CPU that has bfloat16, OpenVINO computes in it unless told not to.
        precision = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}[dtype]
        default = f"-d CPU -hint latency -t 3 -infer_precision {precision}"
        return default, default.replace("CPU", "GPU")
    return "-e cpu -m times -r 200", "-e cuda -m times -r 200"
