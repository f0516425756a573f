"""Each operator that is timed is the one that was asked for."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch.nn import functional

from latmodel import timing
from latmodel.errors import MeasurementError, ProfileError
from latmodel.operator_kinds import DIMS, Operator
from latmodel.runtimes import operator_timer
from latmodel.runtimes.devices import TORCH_DTYPES
from latmodel.runtimes.operator_timer import OperatorTimer, operator_call

SIZES = {
    "linear": (5, 8, 12),
    "bmm": (3, 5, 7, 4),
    "softmax": (5, 9),
    "norm": (5, 9),
    "gelu": (5, 9),
    "add": (5, 9),
    "attention": (2, 3, 5, 7, 4),
}
SHAPES = {
    "linear": (5, 12),
    "bmm": (3, 5, 7),
    "attention": (2, 3, 5, 4),
    **dict.fromkeys(("softmax", "norm", "gelu", "add"), (5, 9)),
}
FUNCTIONS = {
    "linear": (functional, "linear", [(5, 8), (12, 8), (12,)]),
    "bmm": (torch, "bmm", [(3, 5, 4), (3, 4, 7)]),
    "norm": (functional, "layer_norm", [(5, 9), (9,), (9,)]),
    "gelu": (functional, "gelu", [(5, 9)]),
    "attention": (
        functional,
        "scaled_dot_product_attention",
        [(2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 4)],
    ),
}


def sizes(kind: str) -> dict[str, int]:
    return dict(zip(DIMS[kind], SIZES[kind], strict=True))


def call(kind: str, dtype: torch.dtype = torch.float32) -> Any:
    return operator_call(kind, sizes(kind), dtype=dtype, device=torch.device("cpu"))()


def test_every_kind_has_a_call() -> None:
    assert set(SIZES) == set(DIMS)


@pytest.mark.parametrize("kind", DIMS)
@pytest.mark.parametrize("dtype", TORCH_DTYPES.values(), ids=TORCH_DTYPES)
def test_the_output_has_shape_and_type_of_the_operator(kind: str, dtype: torch.dtype) -> None:
    output = call(kind, dtype)
    assert (tuple(output.shape), output.dtype) == (SHAPES[kind], dtype)
    assert torch.isfinite(output).all()
    assert output.float().std() > 0  # no zeros, which cost a GPU less power


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_it_is_torch_s_own_operator_on_these_shapes(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name, expected = FUNCTIONS[kind]
    seen: list[list[tuple[int, ...]]] = []
    real = getattr(owner, name)

    def spy(*args: Any) -> Any:
        seen.append([tuple(arg.shape) for arg in args if isinstance(arg, torch.Tensor)])
        return real(*args)

    monkeypatch.setattr(owner, name, spy)
    call(kind)
    assert seen == [expected]


def test_softmax_and_add_are_what_they_say() -> None:
    assert call("softmax").sum(dim=-1) == pytest.approx(torch.ones(5).numpy(), abs=1e-5)
    assert call("add").std() == pytest.approx(2**0.5, rel=0.3)  # of two independent tensors


def test_a_norm_is_layer_norm() -> None:
    assert not torch.allclose(call("norm").mean(dim=-1), call("add").mean(dim=-1))
    assert call("gelu").min() > -0.18  # the least that gelu gives


def test_an_operator_is_prepared_once_and_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first calls of each are no samples; inference mode holds in every call."""
    now_ns, modes, made = [0], set(), list[str]()
    monkeypatch.setattr(timing, "perf_counter_ns", lambda: now_ns[0])

    def slow(kind: str, _sizes: object, **_: object) -> Any:
        made.append(kind)
        lengths = iter((9_000_000, 5_000_000))

        def run() -> None:
            modes.add(torch.is_inference_mode_enabled())
            now_ns[0] += next(lengths, 1000)

        return run

    monkeypatch.setattr(operator_timer, "operator_call", slow)
    timer = OperatorTimer(device="cpu")
    samples = [timer.operator_ns(Operator("norm", sizes("norm"))) for _ in range(4)]
    assert samples == [1000] * 4
    assert timer.operator_ns(Operator("gelu", sizes("gelu"))) == 1000
    assert (made, modes) == (["norm", "gelu"], {True})


def test_threads_are_set_and_told() -> None:
    timer = OperatorTimer(device="cpu", threads=1, dtype="bf16")
    torch.set_num_threads(2)
    assert timer.operator_ns(Operator("norm", sizes("norm"))) > 0
    assert torch.get_num_threads() == 1
    environment = timer.environment()
    assert (environment.threads, environment.dtype) == (1, "bf16")
    assert (environment.runtime, environment.runtime_version) == (
        "torch eager",
        str(torch.__version__),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int8"}, "dtype is 'int8': must be one of fp32, fp16, bf16"),
        ({"threads": 0}, "threads is 0: must be 1 to 4096"),
        ({"threads": 10**8}, "threads is 100000000: must be 1 to 4096"),
        ({"device": "tpu"}, "device is 'tpu': must be cpu, cuda, or cuda:1 and so on"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MeasurementError, match=f"^{re.escape(message)}$"):
        OperatorTimer(**{"device": "cpu", **options})


def test_an_operator_that_does_not_run_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise RuntimeError("out of\n memory")

    monkeypatch.setattr(operator_timer, "operator_call", fail)
    message = (
        "torch eager cannot run bmm 3 x 5 x 7 x 4 in fp32: out of memory; try a smaller batch, "
        "fewer probes or another dtype"
    )
    with pytest.raises(MeasurementError, match=f"^{re.escape(message)}$"):
        OperatorTimer(device="cpu").operator_ns(Operator("bmm", sizes("bmm")))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(
        ProfileError, match=r"^operator kind is 'conv': must be one of linear, "
    ):
        OperatorTimer(device="cpu").operator_ns(Operator("conv", {"rows": 1}))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", DIMS)
def test_a_gpu_answers_for_every_kind(kind: str) -> None:
    timer = OperatorTimer(device="cuda", dtype="fp16")
    assert timer.operator_ns(Operator(kind, sizes(kind))) > 0
