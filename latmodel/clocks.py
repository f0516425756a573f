"""The clocks and the power mode that a device tells of itself; what it hides is left out."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from latmodel.environment import Environment

__all__ = ["Clocks", "ask", "read_clocks", "with_clocks"]

Ask = Callable[[Sequence[str]], str]
"""Runs a program and gives what it prints; "" where it is missing or fails."""

_PATIENCE_S = 5.0
"""A driver that hangs must not hang the probe."""

_JETSON_GPUS = ("*.ga10b", "*.gv11b", "*.gp10b", "*.gpu")
"""Names of a Jetson's GPU under /sys/class/devfreq: Orin, Xavier, TX2, and JetPack 6."""

_SMI = ("nvidia-smi", "--query-gpu=name,clocks.max.sm,power.limit", "--format=csv,noheader")


@dataclass(frozen=True, slots=True)
class Clocks:
    """What limits a device's speed, as far as it can be read.

    Attributes:
        mhz: the highest clock that the device allows itself, in MHz; 0 if unreadable.
        power_mode: the power mode, power limit or frequency governor; "" if unreadable.
    """

    mhz: int = 0
    power_mode: str = ""


def ask(command: Sequence[str]) -> str:
    """What a program prints; "" where it is missing, fails or takes over five seconds."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 (a fixed command, no shell)
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def read_clocks(device: str, *, on_cpu: bool, root: Path = Path("/"), ask: Ask = ask) -> Clocks:
    """The clocks of the processor that runs the model.

    Args:
        device: the processor's own name; of several GPUs, those of this name are meant.
        on_cpu: whether it is the CPU.
        root: where /sys, /etc and /var stand.
        ask: runs `nvidia-smi`, or `sysctl` on a Mac.
    """
    board = _jetson_mode(root)
    found = _cpu(root, ask) if on_cpu else _gpu(device, root, ask)
    return Clocks(found.mhz, board or found.power_mode)


def with_clocks(
    environment: Environment, clocks: Callable[[Environment], Clocks] | None = None
) -> Environment:
    """The environment with what the runtime did not know of the device's clocks.

    Args:
        environment: of a runtime.
        clocks: reads the clocks; by default `read_clocks`.
    """
    found = (clocks or _clocks_of)(environment)
    return replace(
        environment,
        clock_mhz=environment.clock_mhz or found.mhz,
        power_mode=environment.power_mode or found.power_mode,
    )


def _clocks_of(environment: Environment) -> Clocks:
    return read_clocks(environment.device, on_cpu=environment.threads > 0)


def _cpu(root: Path, ask: Ask) -> Clocks:
    """Of the first core: its clock as capped by the user, and its frequency governor."""
    folder = root / "sys/devices/system/cpu/cpu0/cpufreq"
    khz = _text(folder / "scaling_max_freq") or _text(folder / "cpuinfo_max_freq")
    if khz.isdecimal():
        return Clocks(int(khz) // 1000, _text(folder / "scaling_governor"))
    hertz = ask(("sysctl", "-n", "hw.cpufrequency_max")).strip()  # a Mac with an Intel CPU
    return Clocks(int(hertz) // 10**6 if hertz.isdecimal() else 0)


def _gpu(device: str, root: Path, ask: Ask) -> Clocks:
    devices = root / "sys/class/devfreq"
    for name in _JETSON_GPUS:
        for folder in sorted(devices.glob(name)):
            hertz = _text(folder / "max_freq")
            if hertz.isdecimal():
                return Clocks(int(hertz) // 10**6)
    rows = {_smi_row(line) for line in ask(_SMI).splitlines()}
    mine = {clocks for name, clocks in rows if name == device}
    # Alike cards set to unlike limits cannot be told apart by their name.
    return mine.pop() if len(mine) == 1 else Clocks()


def _smi_row(line: str) -> tuple[str, Clocks]:
    """One card: its name, its clock such as "1980 MHz", its limit such as "700.00 W"."""
    name, mhz, watts = ([part.strip() for part in line.rsplit(",", 2)] + ["", ""])[:3]
    clock = re.fullmatch(r"([0-9]+) MHz", mhz)
    limit = re.fullmatch(r"([0-9]+)(\.[0-9]+)? W", watts)
    return name, Clocks(int(clock[1]) if clock else 0, f"limit {limit[1]} W" if limit else "")


def _jetson_mode(root: Path) -> str:
    """The name of the mode that nvpmodel set last, else of the one it sets at boot."""
    modes = _text(root / "etc/nvpmodel.conf")
    chosen = re.search(r"pmode:([0-9]+)", _text(root / "var/lib/nvpmodel/status"))
    chosen = chosen or re.search(r"<\s*PM_CONFIG\s+DEFAULT=([0-9]+)\s*>", modes)
    named = re.finditer(r"<\s*POWER_MODEL\s+ID=([0-9]+)\s+NAME=(\S+)\s*>", modes)
    names = {int(mode[1]): mode[2] for mode in named}
    return names.get(int(chosen[1]), "") if chosen else ""


def _text(path: Path) -> str:
    """What a small file holds, without the line's end; "" where it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(1_000_000).strip()
    except OSError:
        return ""
