"""Which schedules are allowed."""

from __future__ import annotations

from optimizer.cli.option_group import Option, OptionGroup

__all__ = ["CONSTRAINTS"]

CONSTRAINTS = OptionGroup(
    title="Constraints",
    plans=True,
    options=(
        Option(
            "--earliest-cut", type=int, help="First block to cut, from 0. [default: depth//4]"
        ),
        Option("--max-cuts", type=int, help="Blocks that may drop tokens. [default: no limit]"),
        Option("--least-count", type=int, help="Tokens to keep. [default: prefix + 1]"),
        Option("--multiple-of", type=int, default=1, show_default=True, help="Of every count."),
        Option(
            "--lossless-last/--no-lossless-last",
            default=None,
            help="Let only what the head reads leave the last block. [default: where it can]",
        ),
    ),
)
