"""Export a part as ONNX, for the runtimes that are not torch's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch.export import Dim, ExportedProgram

from latmodel.errors import MeasurementError
from latmodel.runtimes.parts import Part

__all__ = ["onnx_file"]

_OLDEST = (2, 6)
"""torch.onnx.export takes an exported program from this version on."""


@contextmanager
def onnx_file(part: Part, *, most: int) -> Iterator[Path]:
    """The part as an ONNX file, which goes when the context ends.

    It is a file because a graph in memory may not exceed 2 GB.

    Args:
        part: what to export.
        most: tokens at most; a part of any count takes 1 to so many, other parts what their
            inputs have.

    Raises:
        MeasurementError: torch is too old.
    """
    found = tuple(int(number) for number in torch.__version__.split(".")[:2])
    if found < _OLDEST:
        raise MeasurementError(
            f"torch is {torch.__version__}: exporting to another runtime needs "
            f"{'.'.join(map(str, _OLDEST))} or newer; try the runtime torch-eager"
        )
    program = torch.onnx.export(_export(part, most), dynamo=True, verbose=False)
    assert program is not None  # noqa: S101 (it is None only without dynamo)
    # Windows removes no file that a runtime still maps into memory.
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / f"{part.name}.onnx"
        program.save(path, external_data=True)
        yield path


def _export(part: Part, most: int) -> ExportedProgram:
    if not part.any_count:
        return torch.export.export(part.module, part.inputs)
    (tokens,) = part.inputs
    # Not the part's own input: torch would take a count of 1 for a constant.
    example = tokens.new_zeros((tokens.shape[0], most, tokens.shape[2]))
    shapes = ({1: Dim("tokens", min=1, max=most)},)
    return torch.export.export(part.module, (example,), dynamic_shapes=shapes)
