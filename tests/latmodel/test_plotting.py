"""What a picture holds is read back from its SVG, whose text is text."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from latmodel.curve import Curve
from latmodel.dense_samples import DenseSamples
from latmodel.errors import MissingExtraError, PlotError, ProfileError
from latmodel.measurement import Measurement
from latmodel.picture import Captions, PlotSettings, picture_of_curve, picture_of_table
from latmodel.plotting import draw, draw_curve, write_plot
from tests.latmodel.stairs import STAIRS, TABLE

SVG = "{http://www.w3.org/2000/svg}"
WORDS = Captions(title="Stair Board", subtitle="test_vit, batch 1, fp32", latency="it")
SAMPLES = DenseSamples("dense.csv", (1, 64, 96), (1e6, 0.8e6, 1.088e6))


def svg_of(place: Path, curve: Curve = STAIRS, **options: object) -> ET.Element:
    write_plot(place, draw_curve(curve, **options))  # type: ignore[arg-type]  # in tests
    return ET.fromstring(place.read_bytes())  # noqa: S314 (our own file)


def words_of(svg: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in svg.iter(f"{SVG}text")]


def group(svg: ET.Element, gid: str) -> ET.Element:
    (found,) = (g for g in svg.iter(f"{SVG}g") if g.get("id") == gid)
    return found


def markers(svg: ET.Element, gid: str) -> int:
    return len(list(group(svg, gid).iter(f"{SVG}use")))


def test_the_svg_holds_probes_samples_edges_and_words(tmp_path: Path) -> None:
    settings = PlotSettings(threshold=0.04)
    svg = svg_of(tmp_path / "it.svg", captions=WORDS, samples=SAMPLES, settings=settings)
    assert (markers(svg, "probes"), markers(svg, "samples")) == (8, 3)
    assert [words_of(group(svg, f"edge-{edge}")) for edge in ("64-65", "72-74", "96-97")] == [
        ["64→65 +36 % tile of 64 rows"],
        ["~72→74 -20 % kernel switch"],
        ["96→97 +25 %"],  # at the right end, where its cause has no room
    ]
    assert words_of(group(svg, "title")) == ["Stair Board"]
    assert words_of(group(svg, "subtitle")) == ["test_vit, batch 1, fp32"]
    for said in (
        "tokens per image, prefix included",
        "it (ms)",
        "expected latency",
        "5 % to 95 % error band",
        "8 probes",
        "edge of 4 % or more; dotted: place unknown",
        "3 dense samples; the curve is off by",
        "8.3 % in the mean, 22.5 % at the 95th percentile",
    ):
        assert words_of(svg).count(said) == 1


def test_the_line_passes_through_every_count(tmp_path: Path) -> None:
    """Steps upright at their own count: 101 points, none of them thinned out or smoothed."""
    figure = draw_curve(STAIRS)
    (axes,) = figure.axes
    (line,) = (line for line in axes.lines if line.get_gid() == "expected")
    assert np.array_equal(line.get_xdata(), np.arange(1, 102))
    assert np.array_equal(line.get_ydata(), STAIRS.latency_ns(range(1, 102)) / 1e6)
    (probes,) = (line for line in axes.lines if line.get_gid() == "probes")
    assert np.array_equal(probes.get_xdata(), STAIRS.counts)
    svg = svg_of(tmp_path / "it.svg")
    assert {g.get("id") for g in svg.iter(f"{SVG}g")} >= {"band", "expected"}


def test_edges_that_are_not_named_are_counted(tmp_path: Path) -> None:
    settings = PlotSettings(threshold=0.05, most_steps=1)
    said = words_of(svg_of(tmp_path / "it.svg", settings=settings))
    assert "edge of 5 % or more; 2 more not named" in said
    assert [words for words in said if "→" in words] == ["64→65 +36 % tile of 64 rows"]


def test_without_edges_samples_and_probes_nothing_is_said_of_them(tmp_path: Path) -> None:
    flat = replace(TABLE, segment_ns=TABLE.segment_ns[:, :1].repeat(5, axis=1))
    write_plot(tmp_path / "it.svg", draw(picture_of_table(flat)))
    svg = ET.fromstring((tmp_path / "it.svg").read_bytes())  # noqa: S314 (ours)
    said = words_of(svg)
    assert not [words for words in said if "edge" in words or "prob" in words]
    assert not [words for words in said if "samples" in words]


def test_a_curve_of_one_count_can_be_drawn(tmp_path: Path) -> None:
    assert markers(svg_of(tmp_path / "it.svg", Curve((Measurement(5, (10,)),))), "probes") == 1


def test_no_identifier_stands_twice(tmp_path: Path) -> None:
    svg = svg_of(tmp_path / "it.svg", samples=SAMPLES)
    twice = [k for k, n in Counter(e.get("id") for e in svg.iter()).items() if k and n > 1]
    assert twice == []


def test_names_of_edges_stay_inside_and_apart() -> None:
    """Eleven edges in a crowd, and the highest at the right end; all above the band."""
    latencies = {n: 10_000 * (1 + n % 2) for n in (*range(1, 24), 99)} | {100: 90_000}
    curve = Curve(tuple(Measurement(n, (ns,)) for n, ns in latencies.items()))
    picture = picture_of_curve(curve, settings=PlotSettings(most_steps=12))
    (axes,) = draw(picture).axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 12
    for k, box in enumerate(boxes):
        assert 0 <= box.x0 <= box.x1 <= 1200
        assert 0 <= box.y0 <= box.y1 <= 675
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])
    words = [text.get_text() for text in axes.texts]
    assert words == [*(step.words for step in picture.steps[:-1]), "99→100 +350 %"]
    assert picture.steps[-1].cause  # which would take a fifth of the axis
    (_, highest) = axes.transData.transform((1, picture.upper_ns.max() / 1e6))
    assert highest < min(box.y0 for box in boxes)


def test_the_longest_legend_stays_inside() -> None:
    settings = PlotSettings(threshold=0.0425, most_steps=3)
    samples = DenseSamples("it", (64,) * 10_000, (0.1e6,) * 10_000)
    picture = picture_of_curve(STAIRS, samples=samples, settings=settings)
    figure = draw(replace(picture, unnamed=9999))
    figure.draw_without_rendering()  # which is when an axis places its own words
    (legend,) = figure.legends
    assert "dotted: place unknown; 9999 more" in legend.get_texts()[3].get_text()
    assert legend.get_texts()[4].get_text().endswith("900.0 % at the 95th percentile")
    box = legend.get_window_extent()
    assert 0 <= box.x0 <= box.x1 <= 1200
    (axes,) = figure.axes
    assert 0 <= box.y0 <= box.y1 <= axes.xaxis.label.get_window_extent().y0


def test_words_of_a_device_are_drawn_as_they_are(tmp_path: Path) -> None:
    """No formula, no markup, no letter that would break the file; too long is cut."""
    captions = Captions(title="a $x_2$ <b>&\n\x01", subtitle="x" * 200)
    svg = svg_of(tmp_path / "it.svg", captions=captions)
    assert words_of(group(svg, "title")) == ["a $x_2$ <b>& \N{REPLACEMENT CHARACTER}"]
    assert words_of(group(svg, "subtitle")) == ["x" * 139 + "…"]


def test_the_png_is_1200_by_675(tmp_path: Path) -> None:
    write_plot(tmp_path / "it.PNG", draw_curve(STAIRS))
    data = (tmp_path / "it.PNG").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (1200, 675)
    assert b"Software" not in data


@pytest.mark.parametrize("name", ["it.svg", "it.png"])
def test_the_same_picture_is_the_same_bytes(tmp_path: Path, name: str) -> None:
    """Whatever the user's own settings are; and they are as before."""
    picture = picture_of_curve(STAIRS, captions=WORDS, samples=SAMPLES)
    write_plot(tmp_path / name, draw(picture))
    first = (tmp_path / name).read_bytes()
    assert b"<dc:date>" not in first
    with mpl.rc_context({"svg.fonttype": "path", "font.size": 20, "axes.grid": True}):
        before = dict(mpl.rcParams)
        write_plot(tmp_path / name, draw(picture))
        assert dict(mpl.rcParams) == before
    assert (tmp_path / name).read_bytes() == first


@pytest.mark.parametrize(
    ("name", "ending"), [("it.pdf", ".pdf"), ("it", ""), ("it.svg.gz", ".gz"), (".svg", "")]
)
def test_another_ending_is_refused(tmp_path: Path, name: str, ending: str) -> None:
    with pytest.raises(PlotError) as caught:
        write_plot(tmp_path / name, draw_curve(STAIRS))
    assert str(caught.value) == (
        f"{tmp_path / name}: found the ending {ending!r}, allowed are .png and .svg"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="there is no folder"):
        write_plot(tmp_path / "none" / "it.svg", draw_curve(STAIRS))


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError) as caught:
        draw_curve(STAIRS)
    assert str(caught.value) == (
        "a picture needs matplotlib, which this Python lacks: pip install 'token-budget[plot]'"
    )


DRAW = """
import sys
import latmodel.plotting, latmodel.cli
assert "matplotlib" not in sys.modules
from tests.latmodel.stairs import STAIRS
latmodel.plotting.write_plot(sys.argv[1], latmodel.plotting.draw_curve(STAIRS))
assert "matplotlib" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""


def test_matplotlib_comes_on_use_and_pyplot_never(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", DRAW, str(tmp_path / "it.svg")],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "it.svg").is_file()
