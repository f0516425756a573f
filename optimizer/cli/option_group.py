"""What a group of options brings: its options, its checks, and what it does with a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import click

from optimizer.plan import Plan

__all__ = ["FILE", "Given", "Option", "OptionGroup", "Outcome"]

FILE = click.Path(path_type=Path)
"""The type of an option that names a file."""

Given: TypeAlias = Mapping[str, Any]
"""All options by name, each checked by click."""


class Option(click.Option):
    """An option; `--help` shows the everyday ones, `--help-all` every one."""

    def __init__(self, *names: str, everyday: bool = False, **settings: Any) -> None:
        super().__init__(names, **settings)
        self.everyday = everyday


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a group found or made.

    Attributes:
        key: its name in the JSON object.
        values: what stands there, as plain values.
        lines: the same in words.
        act_on: whether it asks for a decision, which the exit status then says.
    """

    key: str
    values: object
    lines: tuple[str, ...]
    act_on: bool = False


def _nothing(*_: object) -> None:
    """What most groups have to check and to do."""


def _never(_: Given) -> bool:
    """Most groups' work is for one process."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionGroup:
    """Options of one subject.

    Attributes:
        title: of the subject, in `--help-all`.
        options: in the order in which they are listed.
        plans: whether the options are arguments of `optimizer.optimize`, by the same
            names; then a written schedule has answered them.
        check: refuses what cannot end well, before anything is computed.
        answer: answers in place of a plan, where its options ask for that; the exit status,
            or None where they do not.
        choose: makes the plan, by the arguments of `optimizer.optimize` that were given, and
            tells how, where its options ask for that; None where they do not.
        act: does with a plan what its options ask for; None where they ask for nothing.
        spreads: whether its options share work among the processes that `torchrun` started:
            then all of them act, and all else is left to the first.
    """

    title: str
    options: tuple[Option, ...]
    plans: bool = False
    check: Callable[[Given], None] = _nothing
    answer: Callable[[Given], int | None] = _nothing
    choose: Callable[[Given, Given], tuple[Plan, Outcome] | None] = _nothing
    act: Callable[[Plan, Given], Outcome | None] = _nothing
    spreads: Callable[[Given], bool] = _never

    @property
    def names(self) -> tuple[str, ...]:
        """The options by the names of their values."""
        return tuple(str(option.name) for option in self.options)
