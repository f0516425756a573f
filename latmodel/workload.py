"""What is timed: the shapes of one vision transformer at one batch and dtype."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace

from latmodel.errors import WorkloadError
from latmodel.fields import Fields

__all__ = ["DTYPES", "KINDS", "Workload"]

DTYPES = ("fp32", "fp16", "bf16")
"""The number formats a workload may run in, and their bytes: 4, 2, 2."""

KINDS = {
    "plain": "",
    "reordered": "",
    "rotary": "the rotation of queries and keys, and a projector behind the blocks",
    "biased": "the bias of attention by relative position, and what it costs a fused kernel",
    "differential": "the second attention that each head subtracts",
    "flexible": "the resampling of positions at each call, and rotations where there are any",
    "sandwich": "the rotation of queries and keys, the norms behind attention and MLP, the "
    "norm of the values, and the pooler",
}
"""How a model's blocks differ from timm's plain ones, and what of that no operator here is.

The operators of a "reordered" model are those of a plain one."""

_COUNTS = ("depth", "dim", "heads", "head_dim", "mlp_width", "tokens", "batch", "patch_inputs")

_NO_SHAPES = ("model", "prefix_head")

_MOST = {"depth": 1000, "tokens": 100_000}
"""Far above any model, and low enough for a latency table in memory; 10 million for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The shapes that decide a plain vision transformer's latency.

    Attributes:
        model: timm's name of the architecture; a label, not compared by `same_shapes`.
        depth: transformer blocks.
        dim: width of the residual stream, in features.
        heads: attention heads per block.
        head_dim: features per head.
        mlp_width: hidden features of the MLP; of each half where it is gated.
        tokens: sequence length of an uncut image, prefix included.
        prefix: tokens at the front that are no patches (class, distillation, register).
        batch: images per call.
        dtype: "fp32", "fp16" or "bf16".
        patch_inputs: numbers in one patch, channels x height x width.
        classes: outputs of the head; 0 where there is none.
        gated_mlp: the MLP multiplies two halves (SwiGLU, GEGLU).
        layer_scale: each branch is scaled per feature.
        qk_norm: queries and keys are normalised per head.
        kind: one of `KINDS`; only "plain" models can be taken apart and timed in parts.
        prefix_head: the head reads the prefix alone (a class token), so that nothing else
            need leave the last attention. No block's shape, so `same_shapes` is blind to it.

    Raises:
        WorkloadError: a count is not positive or absurdly large, the prefix leaves no
            patch, the head reads a prefix that is not there, the dtype is not one of
            `DTYPES` or the kind none of `KINDS`.

    >>> deit = Workload(model="deit_small_patch16_224", depth=12, dim=384, heads=6,
    ...     head_dim=64, mlp_width=1536, tokens=197, prefix=1, patch_inputs=768, classes=1000)
    >>> deit.patches, deit.at(batch=8).batch
    (196, 8)
    """

    model: str
    depth: int
    dim: int
    heads: int
    head_dim: int
    mlp_width: int
    tokens: int
    prefix: int
    patch_inputs: int
    classes: int
    batch: int = 1
    dtype: str = "fp32"
    gated_mlp: bool = False
    layer_scale: bool = False
    qk_norm: bool = False
    kind: str = "plain"
    prefix_head: bool = False

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if value < 1:
                raise WorkloadError(f"{name} is {value}: must be 1 or more")
            if value > _MOST.get(name, 10**7):
                raise WorkloadError(
                    f"{name} is {value}: must be at most {_MOST.get(name, 10**7)}"
                )
        if not 0 <= self.prefix < self.tokens:
            raise WorkloadError(
                f"prefix is {self.prefix}: must be 0 or more and below tokens ({self.tokens})"
            )
        if self.classes < 0:
            raise WorkloadError(f"classes is {self.classes}: must be 0 or more")
        if self.dtype not in DTYPES:
            raise WorkloadError(f"dtype is {self.dtype!r}: must be one of {', '.join(DTYPES)}")
        if self.kind not in KINDS:
            raise WorkloadError(f"kind is {self.kind!r}: must be one of {', '.join(KINDS)}")
        if self.prefix_head and not self.prefix:
            raise WorkloadError("prefix_head is True and prefix is 0: there is nothing to read")

    @property
    def patches(self) -> int:
        """Tokens that a cut may drop: the full count less the prefix."""
        return self.tokens - self.prefix

    @property
    def left_out(self) -> str:
        """What these blocks do that no operator here models, in words; "" for nothing."""
        return KINDS[self.kind]

    def at(self, *, batch: int | None = None, dtype: str | None = None) -> Workload:
        """The same model at another batch or dtype."""
        return replace(
            self,
            batch=self.batch if batch is None else batch,
            dtype=self.dtype if dtype is None else dtype,
        )

    def same_shapes(self, other: Workload) -> bool:
        """Whether both run the same shapes; names and what a head reads are none."""
        return not self.differences(other)

    def differences(self, other: Workload) -> tuple[str, ...]:
        """The names of the shapes in which two workloads differ."""
        return tuple(
            f.name
            for f in fields(self)
            if f.name not in _NO_SHAPES and getattr(self, f.name) != getattr(other, f.name)
        )

    def to_dict(self) -> dict[str, object]:
        """The workload as plain values, in the order of its attributes.

        A plain one says nothing of its kind, as all did before there were others, and one
        whose head reads every token says nothing of its head.
        """
        values = asdict(self)
        if self.kind == "plain":
            del values["kind"]
        if not self.prefix_head:
            del values["prefix_head"]
        return values

    @classmethod
    def from_fields(cls, source: Fields) -> Workload:
        """Read a workload; the inverse of `to_dict`.

        Raises:
            FieldError: a key is unknown or missing, or a value is of the wrong type.
            WorkloadError: the values do not describe a transformer.
        """
        counts = {name: source.integer(name, minimum=1) for name in _COUNTS}
        workload = cls(
            model=source.text("model"),
            prefix=source.integer("prefix", minimum=0),
            classes=source.integer("classes", minimum=0),
            dtype=source.choice("dtype", DTYPES),
            gated_mlp=source.boolean("gated_mlp"),
            layer_scale=source.boolean("layer_scale"),
            qk_norm=source.boolean("qk_norm"),
            kind=source.choice("kind", tuple(KINDS)) if source.has("kind") else "plain",
            prefix_head=source.has("prefix_head") and source.boolean("prefix_head"),
            **counts,
        )
        source.finish()
        return workload
