"""Write the parts of a timm model as ONNX files, for tools that time a board without Python."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import nn

from latmodel.architectures import build_model, describe
from latmodel.errors import MissingExtraError, ProfileError
from latmodel.files import require_target
from latmodel.readings import PARTS
from latmodel.runtimes.torch_eager import TORCH_DTYPES
from latmodel.workload import Workload

__all__ = ["PartExporter"]

_OPSET = 18
"""The lowest that torch's exporter writes without converting, so that older tools read it."""

_SINGLE_FILE = 10**9
"""Bytes of weights above which they stand in a file of their own: ONNX ends at 2 GiB."""


class PartExporter:
    """One timm model, and an ONNX file of static shapes for each of its parts.

    Args:
        model: timm's name; weights are random, which latency does not depend on.
        batch: images per call.
        dtype: one of `latmodel.workload.DTYPES`; the file's weights, inputs and outputs.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        UnknownModelError, WorkloadError: as `latmodel.architectures.describe`.
    """

    def __init__(self, model: str, *, batch: int = 1, dtype: str = "fp32") -> None:
        for package in ("onnx", "onnxscript"):
            if importlib.util.find_spec(package) is None:
                raise MissingExtraError(
                    f"writing ONNX files needs {package}, which is not installed; try: pip "
                    "install 'token-budget[onnx]'"
                )
        self.workload: Workload = describe(model, batch=batch, dtype=dtype)
        self._dtype = TORCH_DTYPES[dtype]
        self._model: Any = build_model(model).to(self._dtype)

    def write(self, part: str, count: int, path: Path) -> None:
        """Write one part on `count` tokens.

        Args:
            part: one of `latmodel.readings.PARTS`.
            count: tokens, prefix included; the full count for "ends" and "model".
            path: the file; over a gigabyte of weights go to a second one beside it.

        Raises:
            ProfileError: the file cannot be written, or there is no such part.
        """
        require_target(path)
        module, inputs = self._part(part, count)
        weights = sum(p.numel() * p.element_size() for p in module.parameters())
        torch.onnx.export(
            module.eval(),
            inputs,
            path,
            input_names=[f"in{i}" for i in range(len(inputs))],
            dynamo=True,
            opset_version=_OPSET,
            external_data=weights > _SINGLE_FILE,
            verbose=False,
        )

    def _part(self, part: str, count: int) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
        block = self._model.blocks[0]
        if part == "block":
            return block, (self._tokens(count),)
        if part == "mlp":
            return _MlpHalf(block), (self._tokens(count),)
        if part == "cut":
            return _Cut(count), (self._tokens(self.workload.tokens), *self._heads())
        if part == "ends":
            return _Ends(self._model), (self._images(), self._tokens(self.workload.tokens))
        if part == "model":
            return self._model, (self._images(),)
        raise ProfileError(f"part is {part!r}: must be one of {', '.join(PARTS)}")

    def _tokens(self, count: int) -> torch.Tensor:
        shape = (self.workload.batch, count, self.workload.dim)
        return torch.randn(shape, dtype=self._dtype)

    def _heads(self) -> tuple[torch.Tensor, ...]:
        workload = self.workload
        shape = (workload.batch, workload.heads, workload.tokens, workload.head_dim)
        return tuple(torch.randn(shape, dtype=self._dtype) for _ in "qkv")

    def _images(self) -> torch.Tensor:
        embed = self._model.patch_embed
        shape = (self.workload.batch, embed.proj.in_channels, *embed.img_size)
        return torch.randn(shape, dtype=self._dtype)


class _MlpHalf(nn.Module):
    """Norm, MLP and residual addition of one block."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self._block = block

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, dim) in and out."""
        block = self._block
        half: torch.Tensor = x + block.ls2(block.mlp(block.norm2(x)))
        return half


class _Ends(nn.Module):
    """What no cut changes: embedding and position; last norm and head."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = model

    def forward(
        self, images: torch.Tensor, x: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, channels, height, width) and (batch, tokens, dim) in.

        The head reads tokens of its own: of the embedded ones it may need the class token
        alone, which no image enters before the blocks, and a compiler would leave the
        embedding out.
        """
        model = self._model
        embedded = model.norm_pre(model._pos_embed(model.patch_embed(images)))  # noqa: SLF001
        return embedded, model.forward_head(model.norm(x))


class _Cut(nn.Module):
    """One cut by the dearest score that ships: score, choose, gather, average the rest."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def forward(
        self, x: torch.Tensor, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """(batch, tokens, dim) and three of (batch, heads, tokens, head_dim) in.

        Out come (batch, count, dim): the best `count - 1` tokens and the mean of the rest.
        """
        scale = q.shape[-1] ** -0.5
        attention = ((q.float() * scale) @ k.float().transpose(-2, -1)).softmax(dim=-1)
        received = attention.amax(dim=1).sum(dim=1)
        values = v.float().softmax(dim=2).amax(dim=1).sum(dim=2)
        score = received / received.amax(dim=1, keepdim=True) + values
        order = score.topk(x.shape[1], dim=1).indices
        rest = _gather(x, order[:, self._count - 1 :]).mean(dim=1, keepdim=True)
        if self._count == 1:  # no tool likes a tensor of no rows
            return rest
        kept = order[:, : self._count - 1].sort(dim=1).values
        return torch.cat((_gather(x, kept), rest), dim=1)


def _gather(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return x.gather(1, places.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
