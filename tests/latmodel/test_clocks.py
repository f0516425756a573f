from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from latmodel.clocks import Ask, Clocks, ask, read_clocks

CPUFREQ = "sys/devices/system/cpu/cpu0/cpufreq"
MODES = """
< POWER_MODEL ID=0 NAME=MAXN >
GPU MAX_FREQ -1
< POWER_MODEL ID=2 NAME=MODE_30W >
GPU MAX_FREQ 612000000
# mandatory section to configure the default power mode
< PM_CONFIG DEFAULT=2 >
"""
H100 = "NVIDIA H100 80GB HBM3"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


def silent(_: Sequence[str]) -> str:
    return ""


def saying(program: str, text: str) -> Ask:
    """A machine on which only `program` says something."""
    return lambda command: text if command[0] == program else ""


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, Clocks()),
        (
            {"scaling_max_freq": "2400000\n", "cpuinfo_max_freq": "3600000\n"},
            Clocks(2400),
        ),
        (
            {"cpuinfo_max_freq": "3600000\n", "scaling_governor": "performance\n"},
            Clocks(3600, "performance"),
        ),
        ({"scaling_max_freq": "<unknown>\n"}, Clocks()),
    ],
)
def test_a_cpu_tells_its_clock_and_its_governor(
    tmp_path: Path, files: dict[str, str], found: Clocks
) -> None:
    root = write(tmp_path, {f"{CPUFREQ}/{name}": text for name, text in files.items()})
    assert read_clocks("Xeon", on_cpu=True, root=root, ask=silent) == found


@pytest.mark.parametrize(
    ("said", "mhz"), [("2600000000\n", 2600), ("sysctl: unknown oid", 0), ("", 0)]
)
def test_a_mac_tells_its_clock_by_sysctl(tmp_path: Path, said: str, mhz: int) -> None:
    asked = saying("sysctl", said)
    assert read_clocks("Core i7", on_cpu=True, root=tmp_path, ask=asked) == Clocks(mhz)


@pytest.mark.parametrize(
    ("files", "mode"),
    [
        ({"etc/nvpmodel.conf": MODES, "var/lib/nvpmodel/status": "pmode:0000\n"}, "MAXN"),
        ({"etc/nvpmodel.conf": MODES, "var/lib/nvpmodel/status": "pmode:0002"}, "MODE_30W"),
        ({"etc/nvpmodel.conf": MODES}, "MODE_30W"),
        ({"etc/nvpmodel.conf": MODES, "var/lib/nvpmodel/status": "pmode:0007"}, ""),
        ({"var/lib/nvpmodel/status": "pmode:0000"}, ""),
        ({"etc/nvpmodel.conf": "< PM_CONFIG DEFAULT=x >"}, ""),
    ],
)
@pytest.mark.parametrize("on_cpu", [True, False])
def test_a_jetson_tells_its_power_mode_for_cpu_and_gpu(
    tmp_path: Path, files: dict[str, str], mode: str, on_cpu: bool
) -> None:
    """The mode that was set last; where none ever was, the one of the boot."""
    root = write(tmp_path, files)
    assert read_clocks("Orin", on_cpu=on_cpu, root=root, ask=silent).power_mode == mode


def test_a_jetson_tells_its_gpu_clock(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "sys/class/devfreq/17000000.ga10b/max_freq": "1300500000\n",
            "sys/class/devfreq/15340000.vic/max_freq": "729600000\n",
            "etc/nvpmodel.conf": MODES,
        },
    )
    found = read_clocks("Orin", on_cpu=False, root=root, ask=saying("nvidia-smi", "no"))
    assert found == Clocks(1300, "MODE_30W")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (f"{H100}, 1980 MHz, 700.00 W\n", Clocks(1980, "limit 700 W")),
        (
            f"Tesla T4, 1590 MHz, 70.00 W\n{H100}, 1980 MHz, 350.00 W\n",
            Clocks(1980, "limit 350 W"),
        ),
        (f"{H100}, 1980 MHz, 700.00 W\n" * 8, Clocks(1980, "limit 700 W")),
        (f"{H100}, 1980 MHz, 700.00 W\n{H100}, 1980 MHz, 500.00 W\n", Clocks()),
        (f"{H100}, [N/A], [N/A]\n", Clocks()),
        (f"{H100}, 1980 MHz, [N/A]\n", Clocks(1980)),
        ("Tesla T4, 1590 MHz, 70.00 W\n", Clocks()),
        ("No devices were found\n", Clocks()),
        ("", Clocks()),
    ],
)
def test_a_card_tells_its_clock_and_its_power_limit(
    tmp_path: Path, said: str, found: Clocks
) -> None:
    asked = saying("nvidia-smi", said)
    assert read_clocks(H100, on_cpu=False, root=tmp_path, ask=asked) == found


def test_a_cpu_asks_no_card(tmp_path: Path) -> None:
    asked = saying("nvidia-smi", f"{H100}, 1980 MHz, 700.00 W\n")
    assert read_clocks(H100, on_cpu=True, root=tmp_path, ask=asked) == Clocks()


def test_a_folder_where_a_file_should_be_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / CPUFREQ / "scaling_max_freq").mkdir(parents=True)
    assert read_clocks("Xeon", on_cpu=True, root=tmp_path, ask=silent) == Clocks()


@pytest.mark.parametrize(
    ("code", "said"),
    [("print('words')", "words\n"), ("print('words'); raise SystemExit(3)", "")],
)
def test_programs_are_asked(code: str, said: str) -> None:
    assert ask((sys.executable, "-c", code)) == said


def test_a_program_that_is_missing_or_hangs_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ask(("no-such-program-anywhere",)) == ""
    monkeypatch.setattr("latmodel.clocks._PATIENCE_S", 0.05)
    slow = "import time; time.sleep(3); print('late')"
    assert ask((sys.executable, "-c", slow)) == ""
