"""Figures: processor time of a family of processes, percentiles, and medians over rounds."""

import os
from collections.abc import Collection
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figures:
    """What one scenario cost at one server."""

    requests: int
    cpu_ms: float
    """Processor time of the server's processes for one request."""
    p50_ms: float
    p99_ms: float
    per_second: float


def figures(cpu_seconds: float, wall_seconds: float, latencies: Sequence[float]) -> Figures:
    """The figures of one run, of the seconds that each request took."""
    count = len(latencies)
    return Figures(
        requests=count,
        cpu_ms=cpu_seconds / count * 1000,
        p50_ms=percentile(latencies, 50) * 1000,
        p99_ms=percentile(latencies, 99) * 1000,
        per_second=count / wall_seconds,
    )


def medians(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure over the rounds; of the requests, how many there were in all."""
    return Figures(
        requests=sum(each.requests for each in rounds),
        cpu_ms=median(each.cpu_ms for each in rounds),
        p50_ms=median(each.p50_ms for each in rounds),
        p99_ms=median(each.p99_ms for each in rounds),
        per_second=median(each.per_second for each in rounds),
    )


def percentile(values: Sequence[float], share: int) -> float:
    """The smallest value that `share` percent of them do not exceed (nearest rank)."""
    if not values:
        raise ValueError("Of nothing there is no percentile.")
    rank = -(-len(values) * share // 100)  # rounded up
    return sorted(values)[max(rank, 1) - 1]


def tree(root: int) -> list[int]:
    """A process and all that descend from it, in ascending order."""
    parents = {pid: stat[1] for pid in map(int, filter(str.isdigit, os.listdir(PROC))) if (stat := _stat(pid))}
    found, waiting = {root}, [root]
    while waiting:
        parent = waiting.pop()
        children = {pid for pid, of in parents.items() if int(of) == parent} - found
        found |= children
        waiting += children
    return sorted(found)


def cpu_seconds(pids: Collection[int]) -> float:
    """What these processes have spent in user and system mode; raises `ProcessLookupError` when one is gone."""
    ticks = 0
    for pid in pids:
        stat = _stat(pid)
        if stat is None:
            raise ProcessLookupError(f"Process {pid} has ended: its time is lost, and the measurement void.")
        ticks += int(stat[11]) + int(stat[12])
    return ticks / TICKS


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat behind the name, which may hold anything: state, parent … (proc(5))."""
    try:
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(") ")[2].split()
    except OSError:
        return None
