"""The installed commands, from a folder that is not the checkout, as a user runs them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


def installed(command: str) -> str:
    found = shutil.which(command, path=str(BIN))
    if found is None:
        pytest.skip(f"{command} is not installed beside this Python: pip install '.[test]'")
    return found


def run(folder: Path, command: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (our own command)
        [installed(command), *args], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_main_job_works_from_any_folder(tmp_path: Path) -> None:
    """The README's first command, whose profile and workload ship with the package."""
    ended = run(tmp_path, "optimize", "--budget", "20ms", "--device-profile", "jetson.yaml")
    assert ended.returncode == 0, ended.stderr
    assert "proved optimal" in ended.stdout
    assert "Traceback" not in ended.stderr


def test_json_and_shipped_name_without_ending(tmp_path: Path) -> None:
    ended = run(
        tmp_path, "optimize", "--budget", "20ms", "--device-profile", "jetson", "--json"
    )
    values = json.loads(ended.stdout)
    assert values["model"] == "deit_small_patch16_224"
    assert values["full_tokens"] == 197
    assert values["warnings"]


def test_errors_have_no_traceback(tmp_path: Path) -> None:
    ended = run(tmp_path, "optimize", "--budget", "20", "--device-profile", "jetson")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1


def test_profiles_lists_what_ships(tmp_path: Path) -> None:
    ended = run(tmp_path, "latmodel", "profiles")
    assert ended.returncode == 0, ended.stderr
    assert any(line.startswith("jetson ") for line in ended.stdout.splitlines())
