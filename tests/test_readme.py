"""What the README tells a newcomer to type is what works."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_first_command_installs_and_runs_the_main_job() -> None:
    assert fences("")[0] == (
        "python3 -m venv .venv && .venv/bin/pip install . && "
        ".venv/bin/optimize --budget 20ms --device-profile jetson.yaml\n"
    )


def test_continuous_integration_runs_the_second_command() -> None:
    """Same words, but for the virtual environment's place."""
    assert fences("")[1] == ".venv/bin/pip install '.[test]' && .venv/bin/pytest\n"
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\"$venv/bin/pip\" install --quiet '.[test]'" in script
    assert '"$venv/bin/pytest"' in script


def test_the_python_of_the_readme_runs() -> None:
    names: dict[str, object] = {}
    for block in fences("python"):
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102 (our own text)
    assert type(names["model"]).__name__ == "VisionTransformer"


def test_no_figure_of_the_readme_is_still_to_come() -> None:
    assert "@" not in re.sub(r"\S+@\S+", "", README)


def test_the_example_prints_a_frontier(capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(ROOT / "examples" / "every_budget.py"))["main"]
    main("deit_small_patch16_224", "jetson")
    first, *rows, last = capsys.readouterr().out.splitlines()
    assert "budgets worth telling apart" in first
    kept = [float(row.split("ms")[1].split("%")[0]) for row in (*rows, last)]
    assert kept == sorted(kept)
    assert kept[-1] == 100
