"""Several processes: who is who, every image once, and the same numbers as one alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from optimizer.errors import WorldError
from optimizer.images.spreading import World, find_world, share
from tests.optimizer.images.folders import write_classes
from tests.optimizer.images.spread import measure

ROOT = Path(__file__).resolve().parents[3]

TOLD = {"RANK": "1", "WORLD_SIZE": "3", "LOCAL_RANK": "1"}
MET = TOLD | {"MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


def test_what_torchrun_tells() -> None:
    assert find_world(MET) == World(rank=1, size=3, local_rank=1)
    assert find_world(MET | {"WORLD_SIZE": "1", "RANK": "0"}) == World()


@pytest.mark.parametrize("told", [{}, {"RANK": "1"}, {"WORLD_SIZE": "4"}])
def test_without_torchrun_a_process_is_alone(told: dict[str, str]) -> None:
    assert find_world(told) == World(rank=0, size=1)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            TOLD,
            "WORLD_SIZE is 3, and MASTER_ADDR is not set: start with torchrun, which sets "
            "both, or unset WORLD_SIZE",
        ),
        (MET | {"RANK": "x"}, "RANK is 'x': must be a whole number, as torchrun sets it"),
        (
            MET | {"RANK": "3"},
            "rank is 3 of 3, local_rank 1: a rank must be from 0 to one less than the number "
            "of processes",
        ),
    ],
)
def test_processes_that_cannot_be_are_refused(told: dict[str, str], said: str) -> None:
    with pytest.raises(WorldError) as caught:
        find_world(told)
    assert str(caught.value) == said


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_every_batch_is_for_one_process(size: int) -> None:
    for batch in range(12):
        assert sum(World(rank, size).mine(batch) for rank in range(size)) == 1


def test_alone_nothing_is_started() -> None:
    code = (
        "import sys; from optimizer.images.spreading import World, find_world, share; "
        "assert share(find_world(), lambda: 7) == (7,); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)  # noqa: S603


def test_an_error_of_its_own_work_is_raised() -> None:
    def fail() -> None:
        raise WorldError("no")

    with pytest.raises(WorldError) as caught:
        share(World(), fail)
    assert str(caught.value) == "no"


def measure_with(size: int, *args: Path) -> dict[str, object]:
    """What the first of so many processes prints; each is told what torchrun tells."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    meeting = {"WORLD_SIZE": str(size), "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    own = {"OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(  # noqa: S603 (our own code)
            [sys.executable, "-m", "tests.optimizer.images.spread", *map(str, args)],
            cwd=ROOT,
            env=os.environ | own | meeting | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    said = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0] * size, said
    assert [out for out, _ in said[1:]] == [""] * (size - 1)
    found: dict[str, object] = json.loads(said[0][0])
    return found


def test_two_processes_find_what_one_does(tmp_path: Path) -> None:
    """To the last bit, with a last batch that is short and one process that has fewer."""
    folder = write_classes(tmp_path / "set", 2, 1, 2, 1, 1)
    broken = write_classes(tmp_path / "broken", 2, 1, 2, 1, 1)
    file = broken / "class2" / "0.png"  # the fourth image: in the second process's batch
    file.write_text("no image", encoding="utf-8")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        one = measure(folder, broken)
    finally:
        torch.set_num_threads(threads)
    two = measure_with(2, folder, broken)
    assert (one.pop("seen"), two.pop("seen")) == ([[0, 1, 2]], [[0, 2], [1]])
    assert one == two
    assert one["labels"] == [0, 0, 1, 2, 2, 3, 4]
    assert str(one["said"]).startswith(f"{file}: is none of PNG, JPEG")
