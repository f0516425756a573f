"""Optional libraries: what to install where one is missing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from latmodel.errors import MissingExtraError

__all__ = ["require_extra"]


def require_extra(what: str, packages: Sequence[str], *, extra: str) -> None:
    """Refuse to go on without the packages that an extra brings; none of them is imported.

    Args:
        what: what needs them, the first words of the message.
        packages: by the names they are imported by.
        extra: of this project, as pip takes it.

    Raises:
        MissingExtraError: some are not installed; the message names them and the extra.

    >>> require_extra("a picture", ["matplot_lib"], extra="plot")
    Traceback (most recent call last):
    latmodel.errors.MissingExtraError: a picture needs matplot_lib, which this Python lacks:
        pip install 'token-budget[plot]'
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise MissingExtraError(
            f"{what} needs {' and '.join(missing)}, which this Python lacks: "
            f"pip install 'token-budget[{extra}]'"
        )
