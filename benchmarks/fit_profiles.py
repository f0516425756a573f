"""Fit the shipped profiles of data-centre GPUs to public timings, and say how good they are.

    python benchmarks/fit_profiles.py --out data            all of them
    python benchmarks/fit_profiles.py --out data t4 a100    these two

The folder of timings is $LATMODEL_DATA, else ../shared/data beside the repository.
`gpu_recipes.py` says what each profile is made of, `operator_data.py` how the sources name
shapes; the fit is that of `latmodel fit-operators`. Minutes per profile.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from gpu_recipes import RECIPES, Recipe, Source
from jetson_readings import data_folder
from operator_data import SOURCES
from profile_checks import unseen_linears, unseen_widths, whole_models

from latmodel.catalogue import read_profile, write_profile
from latmodel.cli.held_out_lines import held_out_lines
from latmodel.fitted_operators import FittedOperators, merged, sharing
from latmodel.operator_readings import joined
from latmodel.profile_fitting import (
    fit_operators,
    operator_profile,
    provenance_of,
    with_rivals,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from latmodel.operator_readings import OperatorReadings
    from latmodel.profile import DeviceProfile
    from latmodel.provenance import ErrorFigure

    Read = Callable[[str], Sequence[OperatorReadings]]


def readings_of(source: Source, read: Read) -> tuple[OperatorReadings, ...]:
    """What is fitted of one source, each kind and dtype once."""
    return joined(
        replace(part, dtype=source.dtype or part.dtype)
        for name, kinds in source.readings
        for part in read(name)
        if not kinds or part.kind in kinds
    )


def fit_source(
    source: Source, read: Read, *, talk: Callable[[str], None]
) -> tuple[FittedOperators, tuple[ErrorFigure, ...]]:
    """The operators of one source, beside simpler predictors, and figures beside theirs."""
    readings = readings_of(source, read)
    fitted = fit_operators(readings, source.card, harness=source.harness, on_part=talk)
    fitted = with_rivals(fitted, readings, source.card)
    figures: tuple[ErrorFigure, ...] = ()
    if source.few_widths:
        (linear,) = (part for part in readings if part.kind == "linear")
        talk(f"linear in {linear.dtype}, without some widths in turn")
        model, figure = unseen_widths(fitted.model, linear, source.card)
        fitted, figures = replace(fitted, model=model), (figure,)
    if source.also:
        (timed,) = fitted.model.dtypes
        fitted = sharing(fitted, timed=timed, also=source.also)
    return fitted, figures


def make_profile(
    name: str, recipe: Recipe, read: Read, *, talk: Callable[[str], None]
) -> tuple[DeviceProfile, FittedOperators]:
    """One profile, and the fit behind it."""
    fits = [fit_source(source, read, talk=talk) for source in recipe.sources]
    fitted = merged([fit for fit, _ in fits])
    figures = [figure for _, own in fits for figure in own]
    for source, what in recipe.checks:
        (linear,) = (part for part in read(source) if part.kind == "linear")
        figures.append(unseen_linears(fitted.model, linear, what))
    profile = operator_profile(
        fitted,
        name=name,
        device=recipe.device,
        provenance=tuple(
            provenance_of(fit, source=source.who, licence=source.licence, how=source.how)
            for (fit, _), source in zip(fits, recipe.sources, strict=True)
        ),
        errors=tuple(figures),
        warnings=recipe.warnings,
    )
    return profile, fitted


def with_whole_models(profile: DeviceProfile, path: Path) -> DeviceProfile:
    """The profile with its error on timm's whole models."""
    figure = whole_models(
        profile,
        path,
        dtype="fp16",
        attention="fused",
        what="whole timm models in amp, batches of hundreds, attention fused, none fitted",
    )
    return replace(profile, errors=(*profile.errors, figure))


def report(profile: DeviceProfile, fitted: FittedOperators, place: Path | None) -> None:
    """Print the errors, and what the file takes to read."""
    print(f"\n{profile.name}: {profile.device}; confidence {profile.confidence}")
    for line in held_out_lines(fitted.held_out):
        print(line)
    for figure in profile.errors[len(fitted.held_out) :]:
        print(f"{figure.mean_percent:.1f} % on {figure.what} ({figure.rows} rows)")
    for warning in profile.warnings:
        print(f"warning: {warning}")
    if place is not None:
        start = perf_counter()
        read_profile(place)
        print(f"{place}: {place.stat().st_size / 1e3:.0f} kB, read in "
              f"{perf_counter() - start:.2f} s")  # fmt: skip


def main() -> None:
    """Read, fit, report, write; one profile after the other."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(RECIPES)}")
    parser.add_argument("--out", type=Path, help="folder to write to; default: report only")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in RECIPES:
            parser.error(f"no recipe for {name!r}: there are {', '.join(RECIPES)}")
    folder = data_folder()
    for name in arguments.names or RECIPES:

        def talk(words: str, name: str = name) -> None:
            print(f"{name}: fitting {words}", file=sys.stderr)

        profile, fitted = make_profile(
            name, RECIPES[name], lambda source: SOURCES[source](folder), talk=talk
        )
        if RECIPES[name].models:
            profile = with_whole_models(profile, folder / "whole_models" / RECIPES[name].models)
        place = None if arguments.out is None else arguments.out / f"{name}.yaml"
        if place is not None:
            write_profile(place, profile)
        report(profile, fitted, place)


if __name__ == "__main__":
    main()
