"""Models of timm's own forms, with few features."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from latmodel.architectures import build_model, describe
from latmodel.runtimes import module_timer, parts
from latmodel.workload import Workload

SMALL: dict[str, Any] = {"img_size": 64, "depth": 2, "embed_dim": 48, "num_heads": 3}
TOKENS = 17  # 4 x 4 patches and the class token


def shrink(monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Make timm's models small until the test ends."""
    sizes = {**SMALL, **options}

    def build(name: str, **more: Any) -> nn.Module:
        return build_model(name, **sizes, **more)

    def describing(name: str, *, batch: int, dtype: str) -> Workload:
        return describe(build(name), batch=batch, dtype=dtype)

    monkeypatch.setattr(parts, "build_model", build)
    monkeypatch.setattr(module_timer, "describe", describing)
