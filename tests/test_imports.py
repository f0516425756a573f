"""Importing stays light: torch and timm take seconds, a solve from a file milliseconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Those that DESIGN.md marks with a star, and whatever stands below them.
HEAVY = (
    "latmodel.architectures",
    "latmodel.runtimes",
    "optimizer.calibrating",
    "optimizer.evaluating",
    "optimizer.exporting",
    "optimizer.fidelity.measuring",
    "optimizer.images",
    "optimizer.parity",
    "optimizer.pruning",
    "optimizer.verifying",
)

IMPORT_EACH = """
import importlib, json, sys
brought = {}
for name in sys.argv[1:]:
    importlib.import_module(name)
    found = sorted({"torch", "timm"} & set(sys.modules))
    if found:
        brought[name] = found
        break
print(json.dumps(brought))
"""


def modules() -> list[str]:
    """Every module of both packages, by its file; `__main__` runs when imported."""
    names = []
    for package in ("latmodel", "optimizer"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if parts[-1] != "__main__":
                names.append(".".join(parts).removesuffix(".__init__"))
    return names


def starred(name: str) -> bool:
    return any(name == heavy or name.startswith(f"{heavy}.") for heavy in HEAVY)


def python(code: str, *args: str) -> str:
    """What a fresh process prints; the tree that is tested comes first on its path."""
    done = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-W", "error", "-c", code, *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_both_packages_leaves_the_heavy_ones_out() -> None:
    code = "import sys, latmodel, optimizer; print(*sorted(sys.modules))"
    loaded = set(python(code).split())
    assert "latmodel" in loaded
    assert "optimizer" in loaded
    assert not {"torch", "timm", "scipy", "matplotlib", "pandas"} & loaded


def test_only_the_starred_modules_import_torch_or_timm() -> None:
    """One process for all, in turn: the first that brings one of them is named."""
    light = [name for name in modules() if not starred(name)]
    assert len(light) > 40
    assert json.loads(python(IMPORT_EACH, *light)) == {}


def test_latmodel_never_imports_optimizer() -> None:
    ours = [n for n in modules() if n.startswith("latmodel") and not starred(n)]
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(*[name for name in sys.modules if name.split('.')[0] == 'optimizer'])"
    )
    assert python(code, *ours).split() == []
