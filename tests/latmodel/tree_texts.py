"""Hypothesis strategies: decision trees of any form, as the text that files hold."""

from __future__ import annotations

from hypothesis import strategies as st

from latmodel.forest import MOST_LEAVES

__all__ = ["tree_texts"]


@st.composite
def tree_texts(
    draw: st.DrawFn,
    most: int = MOST_LEAVES,
    *,
    names: tuple[str, ...] = ("rows", "cols", "red"),
    thresholds: st.SearchStrategy[float] = st.integers(0, 9),  # noqa: B008 (no list: a value)
    answers: st.SearchStrategy[float] = st.integers(-99, 99),  # noqa: B008 (as above)
) -> str:
    """A tree of at most `most` leaves; tests may repeat and contradict each other."""
    words: list[str] = []
    waiting = [draw(st.integers(1, most))]  # leaves of the branches still to be written
    while waiting:
        leaves = waiting.pop()
        if leaves == 1:
            words.append(repr(draw(answers)))
        else:
            left = draw(st.integers(1, leaves - 1))
            words.append(f"{draw(st.sampled_from(names))}<={draw(thresholds)!r}")
            waiting += [leaves - left, left]
    return " ".join(words)
