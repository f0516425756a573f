from __future__ import annotations

import pytest

from latmodel import errors

NAMES = [name for name in errors.__all__ if name != "LatmodelError"]


@pytest.mark.parametrize("name", NAMES)
def test_every_error_is_ours_and_a_builtin(name: str) -> None:
    """A caller may catch `LatmodelError`, or what a plain mistake raises."""
    error = getattr(errors, name)
    assert issubclass(error, errors.LatmodelError)
    assert issubclass(error, (ValueError, ImportError))


@pytest.mark.parametrize("name", ["UnknownModelError", "UnknownProfileError"])
def test_what_is_not_found_is_a_lookup_error(name: str) -> None:
    assert issubclass(getattr(errors, name), LookupError)


def test_every_error_class_is_listed() -> None:
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert defined == set(errors.__all__)
