from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latmodel import catalogue
from latmodel.catalogue import read_profile, shipped_profiles, write_profile
from latmodel.errors import FieldError, LatmodelError, ProfileError, UnknownProfileError
from latmodel.profile import DeviceProfile
from latmodel.table import LatencyTable
from tests.latmodel.golden import OPERATORS_TEXT, PAPER, PAPER_OPERATORS, PAPER_TEXT
from tests.latmodel.strategies import profiles


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    """The paper profile as a file."""
    place = tmp_path / "paper.yaml"
    place.write_text(PAPER_TEXT, encoding="utf-8")
    return place


def changed(old: str, new: str) -> str:
    """The paper profile with one place changed."""
    assert PAPER_TEXT.count(old) == 1, f"{old!r} must stand once in the file"
    return PAPER_TEXT.replace(old, new)


def refused(place: Path, text: str) -> str:
    """The message with which a profile's text is refused."""
    place.write_text(text, encoding="utf-8")
    with pytest.raises((FieldError, ProfileError)) as caught:
        read_profile(place)
    message = str(caught.value)
    assert message.startswith(f"{place}: ")
    return message[len(f"{place}: ") :]


def test_the_golden_file_is_the_golden_value(paper: Path) -> None:
    assert read_profile(paper) == PAPER
    assert read_profile(str(paper)) == PAPER


@pytest.mark.parametrize("text", [PAPER_TEXT, OPERATORS_TEXT], ids=["curves", "operators"])
def test_writing_what_was_read_gives_the_file_byte_for_byte(paper: Path, text: str) -> None:
    paper.write_text(text, encoding="utf-8")
    write_profile(paper, read_profile(paper))
    assert paper.read_text(encoding="utf-8") == text


def test_the_golden_operators_are_the_golden_value(tmp_path: Path) -> None:
    place = tmp_path / "paper_operators.yaml"
    place.write_text(OPERATORS_TEXT, encoding="utf-8")
    assert read_profile(place) == PAPER_OPERATORS


@given(profile=profiles("drawn"))
def test_reading_inverts_writing(
    tmp_path_factory: pytest.TempPathFactory, profile: DeviceProfile
) -> None:
    place = tmp_path_factory.mktemp("drawn") / "drawn.yaml"
    write_profile(place, profile)
    assert read_profile(place) == profile


KNOWN = (
    "format, device, confidence, provenance, errors, warnings, environment, curves, operators"
)
INTEGER = "allowed is an integer of 1 or more"
TEXT = "allowed is text that is not empty"


MALFORMED = [
    # Unknown keys.
    ("format: 1\n", "format: 1\ncolour: red\n", f"colour: unknown key; known here are {KNOWN}"),
    (
        "  licence: CC0\n",
        "  license: CC0\n",
        "provenance[0].license: unknown key; known here are source, measured, derived, licence",
    ),
    (
        "  rows: 1\n",
        "  rows: 1\n  row: 2\n",
        "errors[0].row: unknown key; known here are what, mean_percent, rows",
    ),
    (
        "  ends_ns: 50\n",
        "  ends_ns: 50\n  ends_ms: 50\n",
        "curves[0].ends_ms: unknown key; known here are workload, ends_ns, blocks, mlps, cut",
    ),
    (
        "    samples_ns: [30]\n",
        "    samples_ns: [30]\n    unit: ns\n",
        "curves[0].blocks[1].unit: unknown key; known here are count, samples_ns, speeds",
    ),
    # Duplicate keys.
    ("format: 1\n", "format: 1\nformat: 1\n", "line 2: duplicate key 'format'"),
    ("    depth: 2\n", "    depth: 2\n    depth: 3\n", "line 25: duplicate key 'depth'"),
    # Missing fields.
    ("format: 1\n", "", "format: missing"),
    ("device: Paper Board, 10 W\n", "", "device: missing"),
    ("confidence: high\n", "", "confidence: missing"),
    ("- source: counted by hand\n  licence", "- licence", "provenance[0].source: missing"),
    ("  mean_percent: 1.5\n", "", "errors[0].mean_percent: missing"),
    ("  runtime: torch eager\n", "", "environment.runtime: missing"),
    ("    depth: 2\n", "", "curves[0].workload.depth: missing"),
    ("  ends_ns: 50\n", "", "curves[0].ends_ns: missing"),
    (
        "  - count: 2\n    samples_ns: [30]\n",
        "  - count: 2\n",
        "curves[0].blocks[1].samples_ns: missing",
    ),
    # Wrong types: what YAML reads as something else than it looks like.
    ("ends_ns: 50", "ends_ns: 1e3", f"curves[0].ends_ns: found text '1e3', {INTEGER}"),
    ("ends_ns: 50", "ends_ns: 5.0", f"curves[0].ends_ns: found a number 5.0, {INTEGER}"),
    ("ends_ns: 50", "ends_ns: '50'", f"curves[0].ends_ns: found text '50', {INTEGER}"),
    ("ends_ns: 50", "ends_ns: yes", f"curves[0].ends_ns: found a yes/no value True, {INTEGER}"),
    ("ends_ns: 50", "ends_ns:", f"curves[0].ends_ns: found nothing, {INTEGER}"),
    ("ends_ns: 50", "ends_ns: [50]", f"curves[0].ends_ns: found a list, {INTEGER}"),
    ("device: Paper Board, 10 W", "device: no", f"device: found a yes/no value False, {TEXT}"),
    ("device: Paper Board, 10 W", "device: ''", f"device: found text '', {TEXT}"),
    ("device: Paper Board, 10 W", "device: 10", f"device: found an integer 10, {TEXT}"),
    ("torch: 2.1.0", "torch: 2.1", f"environment.torch: found a number 2.1, {TEXT}"),
    ("- the fan was off", "- off", f"warnings.0: found a yes/no value False, {TEXT}"),
    (
        "warnings:\n- the fan was off",
        "warnings: hot",
        "warnings: found text 'hot', allowed is a list",
    ),
    (
        "gated_mlp: false",
        "gated_mlp: 0",
        "curves[0].workload.gated_mlp: found an integer 0, allowed is true or false",
    ),
    (
        "confidence: high",
        "confidence: sure",
        "confidence: found text 'sure', allowed is one of high, medium, low",
    ),
    (
        "    batch: 1\n    dtype: fp32",
        "    batch: 1\n    dtype: int8",
        "curves[0].workload.dtype: found text 'int8', allowed is one of fp32, fp16, bf16",
    ),
    (
        "  - count: 2\n    samples_ns: [30]",
        "  - 2",
        "curves[0].blocks[1]: found an integer 2, allowed is a mapping",
    ),
    # Not finite, not positive.
    *(
        (
            "mean_percent: 1.5",
            f"mean_percent: {wrong}",
            f"errors[0].mean_percent: found {found}, allowed is a finite number of 0 or more",
        )
        for wrong, found in (
            (".nan", "a number nan"),
            (".inf", "a number inf"),
            ("-.inf", "a number -inf"),
            ("1.0e+999", "a number inf"),
            ("-1", "an integer -1"),
            ("1e3", "text '1e3'"),
        )
    ),
    *(
        (
            "[30]",
            f"[30, {wrong}]",
            f"curves[0].blocks[1].samples_ns.1: found {found}, {INTEGER}",
        )
        for wrong, found in (
            ("0", "an integer 0"),
            ("-30", "an integer -30"),
            (".nan", "a number nan"),
            ("1e3", "text '1e3'"),
            ("30.0", "a number 30.0"),
            ("true", "a yes/no value True"),
        )
    ),
    ("ends_ns: 50", "ends_ns: 0", f"curves[0].ends_ns: found an integer 0, {INTEGER}"),
    # Counts that do not ascend.
    (
        "  - count: 2\n",
        "  - count: 1\n",
        "curves[0].blocks: probe counts must ascend: 1 stands after 1",
    ),
    (
        "  - count: 2\n",
        "  - count: 5\n",
        "curves[0].blocks: probe counts must ascend: 4 stands after 5",
    ),
    # Nothing there.
    (
        "  cut:\n  - count: 1\n    samples_ns: [7]\n  - count: 4\n    samples_ns: [10]\n",
        "  cut: []\n",
        "curves[0].cut: a curve needs at least one probe",
    ),
    (
        PAPER_TEXT[PAPER_TEXT.index("curves:") :],
        "curves: []\n",
        "the profile holds neither curves nor operators",
    ),
    (
        PAPER_TEXT[PAPER_TEXT.index("curves:") :],
        "",
        "the profile holds neither curves nor operators",
    ),
    (
        PAPER_TEXT[PAPER_TEXT.index("provenance:") : PAPER_TEXT.index("errors:")],
        "provenance: []\n",
        "provenance is empty: name at least one source",
    ),
    # Values that contradict each other.
    (
        "    tokens: 4\n",
        "    tokens: 5\n",
        "curves[0].workload: blocks was probed from 1 to 4 tokens: must span 1 to 5",
    ),
    (
        "    prefix: 1\n",
        "    prefix: 4\n",
        "curves[0].workload: prefix is 4: must be 0 or more and below tokens (4)",
    ),
    # Another format.
    (
        "format: 1\n",
        "format: 2\n",
        "format: found 2, allowed is 1: this file was written by another version of the "
        "package",
    ),
    (
        "format: 1\n",
        "format: true\n",
        "format: found a yes/no value True, allowed is an integer",
    ),
    ("format: 1\n", "format: '1'\n", "format: found text '1', allowed is an integer"),
]


@pytest.mark.parametrize(
    ("old", "new", "message"), MALFORMED, ids=[message for *_, message in MALFORMED]
)
def test_a_malformed_profile_is_refused(paper: Path, old: str, new: str, message: str) -> None:
    """One sentence: where in the file, what was found, what is allowed."""
    assert refused(paper, changed(old, new)) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file: found nothing, allowed is a mapping"),
        ("# nothing\n", "the file: found nothing, allowed is a mapping"),
        ("- format: 1\n", "the file: found a list, allowed is a mapping"),
        ("just talk\n", "the file: found text 'just talk', allowed is a mapping"),
        ("42\n", "the file: found an integer 42, allowed is a mapping"),
        ("format: 1\n---\nformat: 1\n", "line 2: a second document; allowed is one"),
        ("a: &a [1]\nb: *a\n", "line 1: anchors and aliases are not allowed"),
        ("!!python/object/apply:os.system [id]\n", "line 1: tags are not allowed"),
        ("[" * 999, "line 1: nested deeper than 20 levels"),
        ("x" * 1_000_001, "larger than 1000000 bytes"),
    ],
)
def test_what_is_no_profile_at_all_is_refused(paper: Path, text: str, message: str) -> None:
    assert refused(paper, text) == message


def test_a_profile_in_another_encoding_is_refused(paper: Path) -> None:
    paper.write_bytes(PAPER_TEXT.replace("10 W", "10 µW").encode("latin-1"))
    with pytest.raises(FieldError) as caught:
        read_profile(paper)
    assert str(caught.value) == f"{paper}: not UTF-8 text (byte 34)"


@pytest.mark.parametrize("latency", ["12:30", "050", "0x32", "5_0"])
def test_a_latency_means_what_a_person_reads(paper: Path, latency: str) -> None:
    """YAML 1.1 reads 12:30 as 750 and 050 as 40."""
    message = refused(paper, changed("ends_ns: 50", f"ends_ns: {latency}"))
    assert message == f"curves[0].ends_ns: found text '{latency}', {INTEGER}"


def test_a_probe_without_samples_is_refused_with_its_place(paper: Path) -> None:
    message = refused(paper, changed("samples_ns: [30]", "samples_ns: []"))
    assert message == "curves[0].blocks[1].samples_ns: no sample at 2 tokens"


@pytest.mark.parametrize(
    "number",
    ["0x" + "f" * 4000, "-0x" + "f" * 4000, "1" + ":59" * 300 + ".5", "1" + ":59" * 5000],
    ids=["hexadecimal", "negative", "sexagesimal", "sexagesimal-integer"],
)
@pytest.mark.parametrize("field", ["format: 1\n", "ends_ns: 50\n", "mean_percent: 1.5\n"])
def test_numbers_without_end_are_refused(paper: Path, field: str, number: str) -> None:
    """Python turns no integer of more than 4300 digits into text, so no message holds it."""
    name = field.split(":", maxsplit=1)[0]
    paper.write_text(changed(field, f"{name}: {number}\n"), encoding="utf-8")
    with pytest.raises(LatmodelError):
        read_profile(paper)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("samples_ns: [30]", "samples_ns: [1" + "0" * 400 + "]"),
        ("ends_ns: 50", "ends_ns: 1" + "0" * 30),
        ("    depth: 2\n", "    depth: 1" + "0" * 18 + "\n"),
    ],
    ids=["sample", "ends", "depth"],
)
def test_a_number_that_no_table_can_hold_is_refused(paper: Path, old: str, new: str) -> None:
    """By the reader, or at the latest by `table`; never by numpy."""
    paper.write_text(changed(old, new), encoding="utf-8")

    def table_of(profile: DeviceProfile) -> LatencyTable:
        return profile.table(profile.curves[0].workload)

    with pytest.raises(LatmodelError):
        table_of(read_profile(paper))


_PIECES = (
    *(
        "\n",
        " ",
        "  ",
        "- ",
        ": ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "#",
        "|",
        ">",
        "'",
        '"',
        "\t",
        "\r\n",
    ),
    *(
        "&a",
        "*a",
        "!!str ",
        "? ",
        "---\n",
        "...\n",
        "%",
        "@",
        "null",
        "no",
        "~",
        "true",
        "<<",
        "=",
    ),
    *("1e3", "12:30", ".nan", "-.inf", "0", "-1", "0x1f", "2001-01-01", "1.0e+999", "9" * 50),
    *("\0", "\ufeff", "\u2028", "\x85", "\U0001f600"),
    *("format: 2\n", "operators:\n", "curves:\n", "  cut: []\n"),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The paper profile, cut, doubled and overwritten in a few places."""
    text = PAPER_TEXT
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        stop = draw(st.integers(start, min(len(text), start + 40)))
        piece = draw(st.sampled_from(_PIECES) | st.just(text[start:stop] * 2) | st.just(""))
        text = text[:start] + piece + text[stop:]
    return text


def read_or_refuse(place: Path, data: bytes) -> None:
    """Whatever is refused is refused by one of our errors, in one line with the path."""
    place.write_bytes(data)
    try:
        profile = read_profile(place)
    except LatmodelError as error:
        message = str(error)
    else:
        write_profile(place, profile)
        assert read_profile(place) == profile
        return
    assert message.startswith(f"{place}: ")
    assert len(message) < len(str(place)) + 400
    assert "\n" not in message


@settings(max_examples=250)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    read_or_refuse(tmp_path_factory.getbasetemp() / "fuzz.yaml", data)


@settings(max_examples=250)
@given(pieces=st.lists(st.sampled_from(_PIECES) | st.text(max_size=3), max_size=30))
def test_any_pieces_of_yaml_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str]
) -> None:
    data = "".join(pieces).encode("utf-8", "replace")
    read_or_refuse(tmp_path_factory.getbasetemp() / "fuzz.yaml", data)


@settings(max_examples=250)
@given(text=mutated())
def test_any_damaged_profile_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    read_or_refuse(tmp_path_factory.getbasetemp() / "fuzz.yaml", text.encode())


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of two profiles, and nothing in the working folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("jetson", "h200"):
        (folder / f"{name}.yaml").write_text(PAPER_TEXT, encoding="utf-8")
    (folder / "workloads.csv").touch()
    monkeypatch.setattr(catalogue, "data_folder", lambda: folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return folder


@pytest.mark.usefixtures("shipped")
def test_a_shipped_profile_is_found_from_any_folder_with_or_without_ending() -> None:
    assert shipped_profiles() == ("h200", "jetson")
    assert read_profile("jetson").name == "jetson"
    assert read_profile("jetson.yaml").name == "jetson"


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("JETSON", "jetson"),
        ("H-200", "h200"),
        ("h_200.yaml", "h200"),
        ("Jetson.YAML", "jetson"),
        ("jetson-agx-orin", "jetson"),
        ("Jetson AGX Orin", "jetson"),
        ("jetson_agx_orin.yaml", "jetson"),
    ],
)
@pytest.mark.usefixtures("shipped")
def test_case_and_punctuation_of_a_shipped_name_do_not_matter(asked: str, name: str) -> None:
    assert read_profile(asked).name == name


def test_another_name_is_no_name_where_its_profile_does_not_ship(shipped: Path) -> None:
    (shipped / "jetson.yaml").unlink()
    with pytest.raises(UnknownProfileError):
        read_profile("jetson-agx-orin")


def test_a_profile_of_the_name_itself_comes_before_another_name(shipped: Path) -> None:
    (shipped / "jetson-agx-orin.yaml").write_text(PAPER_TEXT, encoding="utf-8")
    assert read_profile("jetson_agx_orin").name == "jetson-agx-orin"
    assert read_profile("jetson").name == "jetson"


@pytest.mark.usefixtures("shipped")
def test_a_file_here_comes_before_a_shipped_one() -> None:
    Path("jetson.yaml").write_text("format: 2\n")
    with pytest.raises(FieldError, match=r"^jetson\.yaml: format: found 2"):
        read_profile("jetson.yaml")
    assert read_profile("jetson").name == "jetson"


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("jetsen", "jetson"),
        ("jetson.yml", "jetson"),
        ("h20.yaml", "h200"),
        ("pixel", "h200, jetson"),
        ("nowhere/jetson.yaml", "jetson"),
        ("./h200/nothing", "h200, jetson"),
    ],
)
def test_an_unknown_profile_names_those_that_ship(asked: str, near: str) -> None:
    """A path with a folder is meant as a path, whatever its last part is called."""
    with pytest.raises(UnknownProfileError) as caught:
        read_profile(asked)
    assert str(caught.value) == (
        f"{Path(asked)}: no such file and no shipped profile of that name; shipped are {near}; "
        "measure this machine with: latmodel probe --out here.yaml"
    )


def test_a_folder_is_no_profile(tmp_path: Path) -> None:
    with pytest.raises(ProfileError) as caught:
        read_profile(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a folder; a device profile is a YAML file"


@pytest.mark.usefixtures("shipped")
def test_a_name_too_long_for_a_file_is_unknown() -> None:
    with pytest.raises(UnknownProfileError):
        read_profile("x" * 5000)


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize("asked", ["", ".", "\0", "..", "/", "*", "-", ".yaml"])
def test_names_that_are_none_are_refused(asked: str) -> None:
    with pytest.raises(ProfileError):
        read_profile(asked)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_may_not_be_read_is_an_error(paper: Path) -> None:
    paper.chmod(0)
    with pytest.raises(ProfileError) as caught:
        read_profile(paper)
    assert str(caught.value) == f"{paper}: Permission denied"


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_can_be_read_and_says_where_it_is_from(name: str) -> None:
    profile = read_profile(name)
    assert profile.name == name
    assert all(source.source and source.licence for source in profile.provenance)
    assert profile.errors, "a shipped profile states its error"
