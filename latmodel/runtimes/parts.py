"""The parts of a model that are timed, as modules, with inputs for any token count."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from latmodel.architectures import build_model
from latmodel.errors import WorkloadError
from latmodel.workload import Workload

__all__ = ["Chain", "Cut", "Ends", "Part", "Parts"]

Step = Callable[[nn.Module, torch.Tensor], torch.Tensor]


def _block(block: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A whole block; (batch, count, dim) in and out, as in every step."""
    y: torch.Tensor = block(x)
    return y


def _mlp_half(block: Any, x: torch.Tensor) -> torch.Tensor:
    """What follows a block's cut: norm, MLP, scale and residual."""
    y: torch.Tensor = x + block.ls2(block.mlp(block.norm2(x)))
    return y


class Chain(nn.Module):
    """One step through each block, in sequence.

    Args:
        blocks: of the model, whose weights are shared, not copied.
        step: what is done with each.
    """

    def __init__(self, blocks: Iterable[nn.Module], step: Step) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run; (batch, count, dim) in and out."""
        for block in self.blocks:
            x = self.step(block, x)
        return x


class Cut(nn.Module):
    """The work of one cut from the full count to `count`.

    These are the operations of the dearest score that ships ("pomt"): a softmax map of every
    query and a softmax over the values, then the choice, the gather and the mean of the rest.
    A cheaper score, and a cut from fewer tokens, cost less.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(
        self, x: torch.Tensor, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """Cut; x (batch, tokens, dim), the others (batch, heads, tokens, head_dim)."""
        scale = q.shape[-1] ** -0.5
        attention = ((q.float() * scale) @ k.float().transpose(-2, -1)).softmax(dim=-1)
        received = attention.amax(dim=1).sum(dim=1)
        values = v.float().softmax(dim=2).amax(dim=1).sum(dim=2)
        score = received / received.amax(dim=1, keepdim=True) + values
        order = score.topk(x.shape[1], dim=1).indices
        rest = _gather(x, order[:, self.count - 1 :]).mean(dim=1, keepdim=True)
        if self.count == 1:  # no tool likes a tensor of no rows
            return rest
        kept = order[:, : self.count - 1].sort(dim=1).values
        return torch.cat((_gather(x, kept), rest), dim=1)


def _gather(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return x.gather(1, places.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


class Ends(nn.Module):
    """What no cut changes: embedding, positions, the last norm and the head."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(
        self, images: torch.Tensor, x: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run; (batch, channels, height, width) and (batch, tokens, dim) in.

        Out come (batch, tokens, dim) and (batch, classes). The head reads tokens of its own:
        of the embedded ones it may need the class token alone, which no image enters before
        the blocks, and a compiler would leave the embedding out.
        """
        model = self.model
        embedded = model.norm_pre(model._pos_embed(model.patch_embed(images)))  # noqa: SLF001
        return embedded, model.forward_head(model.norm(x))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One part of a model at one token count, ready to run.

    Attributes:
        name: "blocks", "mlps", "cut", "ends" or "model"; "block" and "mlp" are of one block.
        count: tokens; the full count for "ends" and "model".
        module: in evaluation mode; the same object each time, and for every count where
            `any_count`.
        inputs: what the module takes.
        any_count: the module takes any count, as dimension 1 of its only input.
    """

    name: str
    count: int
    module: nn.Module
    inputs: tuple[torch.Tensor, ...]
    any_count: bool = False


class Parts:
    """A timm model taken apart.

    Every part runs through all blocks in sequence, so that no block finds its weights in
    a cache that the whole model would have emptied. All parts share the model's weights, and
    the inputs of all counts one buffer, so a count costs no memory.

    Args:
        workload: what the model is; its weights are random, which latency does not depend on.
        dtype: of weights and inputs.
        device: where both lie.

    Raises:
        WorkloadError: the model is not of the plain kind.
    """

    def __init__(self, workload: Workload, *, dtype: torch.dtype, device: torch.device) -> None:
        if workload.kind != "plain":
            raise WorkloadError(
                f"{workload.model} is {workload.kind}: its blocks take more than tokens or are "
                "laid out otherwise, so its parts cannot be timed one by one; plan it from a "
                "profile with an operator model"
            )
        self.workload = workload
        # Else an exported model resamples its positions at every call, for images of any size.
        model: Any = build_model(workload.model, dynamic_img_size=False)
        self.model: Any = model.to(device, dtype)
        self._blocks = Chain(self.model.blocks, _block).eval()
        self._mlps = Chain(self.model.blocks, _mlp_half).eval()
        self._block = Chain(self.model.blocks[:1], _block).eval()
        self._mlp = Chain(self.model.blocks[:1], _mlp_half).eval()
        self._ends = Ends(self.model).eval()
        self._cuts: dict[int, Cut] = {}
        self._random: dict[str, torch.Tensor] = {}

    def blocks(self, count: int) -> Part:
        """All blocks on `count` tokens."""
        return Part("blocks", count, self._blocks, (self._tokens(count),), any_count=True)

    def mlps(self, count: int) -> Part:
        """The MLP halves of all blocks on `count` tokens."""
        return Part("mlps", count, self._mlps, (self._tokens(count),), any_count=True)

    def block(self, count: int) -> Part:
        """The first block alone on `count` tokens."""
        return Part("block", count, self._block, (self._tokens(count),), any_count=True)

    def mlp(self, count: int) -> Part:
        """The MLP half of the first block alone on `count` tokens."""
        return Part("mlp", count, self._mlp, (self._tokens(count),), any_count=True)

    def cut(self, count: int) -> Part:
        """One cut from the full count to `count`."""
        full = self.workload.tokens
        shape = (self.workload.batch, self.workload.heads, full, self.workload.head_dim)
        heads = (self._filled(name, shape) for name in ("query", "key", "value"))
        module = self._cuts.setdefault(count, Cut(count).eval())
        return Part("cut", count, module, (self._tokens(full), *heads))

    def ends(self) -> Part:
        """Embedding, last norm and head."""
        inputs = (self._images(), self._tokens(self.workload.tokens))
        return Part("ends", self.workload.tokens, self._ends, inputs)

    def whole(self) -> Part:
        """The unpruned model."""
        return Part("model", self.workload.tokens, self.model, (self._images(),))

    def _tokens(self, count: int) -> torch.Tensor:
        batch, dim = self.workload.batch, self.workload.dim
        full = self._filled("tokens", (batch, self.workload.tokens, dim))
        # Contiguous, as a tensor of its own would be: the front of the buffer.
        return full.view(-1)[: batch * count * dim].view(batch, count, dim)

    def _images(self) -> torch.Tensor:
        embed = self.model.patch_embed
        return self._filled(
            "images", (self.workload.batch, embed.proj.in_channels, *embed.img_size)
        )

    def _filled(self, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        """Random numbers of that shape, the same at every call."""
        if name not in self._random:
            weight = next(self.model.parameters())
            flat = torch.randn(prod(shape), device=weight.device, dtype=weight.dtype)
            self._random[name] = flat.view(shape)
        return self._random[name]
