"""The benchmarks as `python benchmarks/NAME.py` sees them: files beside each other."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def benchmark_file() -> Callable[[str], Any]:
    """Imports one of them by its name."""

    def load(name: str) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(ROOT / "benchmarks"))
            return importlib.import_module(name)

    return load
