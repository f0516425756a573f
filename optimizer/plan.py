"""The answer to one question: which tokens to keep, what that costs, and who says so."""

from __future__ import annotations

from dataclasses import dataclass

from latmodel.fields import Fields
from latmodel.workload import DTYPES
from optimizer.assurance import Assurance
from optimizer.errors import ScheduleError
from optimizer.fidelity.claim import Claim
from optimizer.schedule import Schedule
from optimizer.solution import Status

__all__ = ["DROPPED", "FORMAT", "SCORES", "Plan", "require_sizes"]

SCORES = ("pomt", "cls", "value-norm", "key-norm", "received-attention", "random")
"""What may choose the tokens that stay; `optimizer.pruning` says what each is."""

DROPPED = ("drop", "average", "merge")
"""What may become of the others."""

FORMAT = 1
"""The file format written here; any other number is refused."""


def require_sizes(dropped: str, *, proportional: bool) -> None:
    """Proportional attention needs tokens that stand for several patches.

    Raises:
        ScheduleError: what is dropped is stood for by nothing.
    """
    if proportional and dropped == "drop":
        raise ScheduleError(
            "proportional is True and dropped is 'drop', where every token stands for one "
            "patch: choose 'average' or 'merge', or leave proportional out"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A schedule with everything needed to run it again and to doubt it.

    Raises:
        ScheduleError: a name is unknown, a latency is not positive, or they contradict
            the status.

    Attributes:
        status: how the solve ended; where infeasible, the schedule is the fastest there is.
        model: timm's name.
        batch: images per call.
        dtype: one of `latmodel.workload.DTYPES`.
        schedule: token counts per block.
        score: what chooses the tokens that stay; see `optimizer.pruning`.
        dropped: what happens to the others; see `optimizer.pruning`.
        proportional: whether later attention counts a token as often as the patches that
            it stands for; see `optimizer.pruning`.
        budget_ns: what the whole model was to stay within.
        dense_ns: predicted for the unpruned model.
        predicted_ns: predicted for the schedule.
        fastest_ns: the least that any schedule within the constraints could take, an earliest
            cut that may give way among them.
        relative_error: one standard deviation of the prediction, as a fraction of it.
        profile: the device profile's name.
        device: the device's name in it.
        provenance: where the profile's numbers come from, a sentence each.
        warnings: what to know before trusting the plan.
        versions: the packages that made it, by name.
        assurance: with what probability the budget is kept; None where the expected latency
            is all that is held against it.
        earliest_cut: the first block that might drop tokens; None where nobody noted it.
        fidelity: what was maximised in place of kept tokens, and what it came to.
    """

    status: Status
    model: str
    batch: int
    dtype: str
    schedule: Schedule
    score: str
    dropped: str
    budget_ns: int
    dense_ns: int
    predicted_ns: int
    fastest_ns: int
    relative_error: float
    profile: str
    device: str
    provenance: tuple[str, ...]
    warnings: tuple[str, ...]
    versions: tuple[tuple[str, str], ...]
    proportional: bool = False
    assurance: Assurance | None = None
    earliest_cut: int | None = None
    fidelity: Claim | None = None

    def __post_init__(self) -> None:
        least = min(self.budget_ns, self.dense_ns, self.predicted_ns, self.fastest_ns)
        if least < 1:
            raise ScheduleError("budget, dense, predicted and fastest latency must be positive")
        if self.dtype not in DTYPES:
            raise ScheduleError(f"dtype is {self.dtype!r}: must be one of {', '.join(DTYPES)}")
        if self.dropped not in DROPPED:
            raise ScheduleError(
                f"dropped is {self.dropped!r}: must be one of {', '.join(DROPPED)}"
            )
        require_sizes(self.dropped, proportional=self.proportional)
        if self.score not in SCORES:
            raise ScheduleError(f"score is {self.score!r}: must be one of {', '.join(SCORES)}")
        over = self.kept_ns > self.budget_ns
        if over != self.status.over_budget or self.fastest_ns > self.predicted_ns:
            raise ScheduleError(
                f"status is {self.status.value!r}, with {self.kept_ns} ns predicted, "
                f"{self.fastest_ns} ns at the fastest and a budget of {self.budget_ns} ns: "
                "these contradict each other"
            )

    @property
    def kept_ns(self) -> int:
        """What is held against the budget: the latency expected, or assured."""
        return self.predicted_ns if self.assurance is None else self.assurance.upper_ns

    @property
    def budget_ms(self) -> float:
        """`budget_ns` in milliseconds."""
        return self.budget_ns / 1e6

    @property
    def dense_ms(self) -> float:
        """`dense_ns` in milliseconds."""
        return self.dense_ns / 1e6

    @property
    def predicted_ms(self) -> float:
        """`predicted_ns` in milliseconds."""
        return self.predicted_ns / 1e6

    @property
    def fastest_ms(self) -> float:
        """`fastest_ns` in milliseconds."""
        return self.fastest_ns / 1e6

    @property
    def kept_fraction(self) -> float:
        """Tokens kept over all blocks, as a fraction of keeping every one."""
        return self.schedule.kept_fraction

    def to_dict(self) -> dict[str, object]:
        """As plain values, in the order a person reads them; latencies in ms.

        Of proportional attention, assurance and fidelity it says nothing where there is none.
        """
        proportional = {"proportional": True} if self.proportional else {}
        claimed: dict[str, object] = {}
        if self.fidelity is not None:
            claimed = {"objective": "fidelity", "fidelity": self.fidelity.to_dict()}
        noted = {} if self.earliest_cut is None else {"earliest_cut": self.earliest_cut}
        return {
            "format": FORMAT,
            "status": self.status.value,
            "model": self.model,
            "batch": self.batch,
            "dtype": self.dtype,
            "tokens": list(self.schedule.tokens),
            "full_tokens": self.schedule.full,
            "prefix_tokens": self.schedule.prefix,
            "kept_fraction": round(self.kept_fraction, 6),
            "score": self.score,
            "dropped": self.dropped,
            **proportional,
            **noted,
            **claimed,
            "budget_ms": self.budget_ms,
            "dense_ms": self.dense_ms,
            "predicted_ms": self.predicted_ms,
            "fastest_ms": self.fastest_ms,
            **({} if self.assurance is None else self.assurance.to_dict()),
            "relative_error": round(self.relative_error, 6),
            "profile": self.profile,
            "device": self.device,
            "provenance": list(self.provenance),
            "warnings": list(self.warnings),
            "versions": dict(self.versions),
        }

    @classmethod
    def from_fields(cls, source: Fields) -> Plan:
        """Read a plan; the inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or out of range.
            ScheduleError: the counts are no schedule.
        """
        if source.integer("format") != FORMAT:
            raise source.refuse("format", source.raw("format"), f"{FORMAT}")
        versions = source.mapping("versions")
        words = tuple(status.value for status in Status)
        plan = cls(
            status=Status(source.choice("status", words)),
            model=source.text("model"),
            batch=source.integer("batch", minimum=1),
            dtype=source.text("dtype"),
            schedule=Schedule(
                tokens=source.integers("tokens", minimum=1),
                full=source.integer("full_tokens", minimum=1),
                prefix=source.integer("prefix_tokens", minimum=0),
            ),
            score=source.text("score"),
            dropped=source.text("dropped"),
            proportional=source.has("proportional") and source.boolean("proportional"),
            budget_ns=_read_ns(source, "budget_ms"),
            dense_ns=_read_ns(source, "dense_ms"),
            predicted_ns=_read_ns(source, "predicted_ms"),
            fastest_ns=_read_ns(source, "fastest_ms"),
            assurance=Assurance.from_fields(source),
            earliest_cut=_read_earliest(source),
            fidelity=_read_claim(source),
            relative_error=source.number("relative_error", minimum=0),
            profile=source.text("profile"),
            device=source.text("device"),
            provenance=source.texts("provenance"),
            warnings=source.texts("warnings"),
            versions=tuple((name, versions.text(name)) for name in versions.names()),
        )
        kept = source.number("kept_fraction", minimum=0)
        source.finish()
        if abs(kept - plan.kept_fraction) > 1e-5:
            raise ScheduleError(
                f"kept_fraction is {kept:g} but tokens keep {plan.kept_fraction:g}: the file "
                "was edited by hand; make it again, or correct both"
            )
        return plan


def _read_earliest(source: Fields) -> int | None:
    return source.integer("earliest_cut", minimum=0) if source.has("earliest_cut") else None


def _read_claim(source: Fields) -> Claim | None:
    if not source.has("objective"):
        return None
    source.choice("objective", ("fidelity",))
    return Claim.from_fields(source.mapping("fidelity"))


def _read_ns(source: Fields, name: str) -> int:
    return round(source.number(name, minimum=0) * 1e6)
