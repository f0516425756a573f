from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from latmodel.environment import Environment
from latmodel.errors import EnvironmentMismatchError, FieldError
from latmodel.fields import Fields
from tests.latmodel.strategies import environments

HERE = Environment(
    device="Orin",
    runtime="torch eager",
    dtype="fp16",
    threads=0,
    clock_mhz=1300,
    power_mode="MAXN",
    system="Linux aarch64",
    python="3.10.12",
    torch="2.1.0",
    timm="1.0.0",
    driver="CUDA 12.2",
    runtime_version="2.1.0",
)


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("device", "T4"),
        ("runtime", "torch compile"),
        ("runtime_version", "2.2.0"),
        ("dtype", "fp32"),
        ("threads", 4),
        ("clock_mhz", 306),
        ("power_mode", "15 W"),
        ("torch", "2.2.0"),
    ],
)
def test_what_changes_latency_must_match(name: str, there: object) -> None:
    change: dict[str, Any] = {name: there}
    with pytest.raises(EnvironmentMismatchError) as caught:
        HERE.require_same(replace(HERE, **change))
    assert str(caught.value) == (
        f"environments differ in {name}: {getattr(HERE, name)!r} here, {there!r} there; "
        "timings from both may not be joined: probe again into a new file"
    )


def test_what_is_kept_for_the_record_may_differ() -> None:
    HERE.require_same(replace(HERE, system="Linux", python="3.12.0", timm="1.1.0"))


@given(environment=environments())
def test_reading_inverts_writing(environment: Environment) -> None:
    """What is unknown is left out of the file and unknown again when read."""
    values = environment.to_dict()
    assert not {"", 0} & set(values.values())
    assert Environment.from_fields(Fields(values)) == environment


@pytest.mark.parametrize("name", ["device", "runtime", "dtype"])
def test_what_must_be_known_may_not_be_left_out(name: str) -> None:
    values = HERE.to_dict()
    del values[name]
    with pytest.raises(FieldError, match=f"environment.{name}: missing"):
        Environment.from_fields(Fields(values, "environment"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threads": "4"}, "threads: found text '4', allowed is an integer of 0 or more"),
        ({"threads": -1}, "threads: found an integer -1, allowed is an integer of 0 or more"),
        ({"torch": 2.1}, "torch: found a number 2.1, allowed is text that is not empty"),
        (
            {"fan": "off"},
            "fan: unknown key; known here are device, runtime, dtype, threads, clock_mhz, "
            "power_mode, system, python, torch, timm, driver, runtime_version",
        ),
    ],
)
def test_a_malformed_environment_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        Environment.from_fields(Fields(HERE.to_dict() | change))
    assert str(caught.value) == message
