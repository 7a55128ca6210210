"""The bench's arithmetic: processor time of real processes, percentiles, and figures of a run."""

import os
import subprocess
import sys
from collections.abc import Iterator

import figures
import pytest

BURN = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, stdin=subprocess.PIPE) \
    if len(sys.argv) > 1 else None
said = child.stdout.readline() if child else b""
while time.process_time() < 0.3:
    pass
print(child.pid if child else 0, time.process_time(), said.decode().strip(), flush=True)
sys.stdin.read()
"""
"""Spends 0.3 s, says how much it was and waits; with an argument, after a child that does the same."""


@pytest.fixture
def burned() -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """A process and its child that have spent some time and wait, and what they said."""
    command = [sys.executable, "-c", BURN, BURN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        said = process.stdout.readline().decode().split()
        yield process, said
        process.stdin.close()


def test_the_processor_time_is_that_of_the_process_and_its_children(
    burned: tuple[subprocess.Popen[bytes], list[str]],
) -> None:
    process, (child, spent, _, spent_by_child) = burned

    pids = figures.tree(process.pid)

    assert pids == sorted([process.pid, int(child)])
    assert figures.cpu_seconds(pids) == pytest.approx(float(spent) + float(spent_by_child), abs=0.05)
    assert figures.cpu_seconds([process.pid]) == pytest.approx(float(spent), abs=0.03)


def test_the_time_of_a_process_that_has_ended_is_not_taken_for_none() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()

    with pytest.raises(ProcessLookupError):
        figures.cpu_seconds([os.getpid(), process.pid])


@pytest.mark.parametrize(
    ("share", "expected"),
    [(1, 1.0), (50, 5.0), (51, 6.0), (90, 9.0), (91, 10.0), (99, 10.0), (100, 10.0)],
)
def test_a_percentile_is_the_nearest_rank(share: int, expected: float) -> None:
    values = [7.0, 1.0, 10.0, 3.0, 2.0, 9.0, 4.0, 6.0, 8.0, 5.0]

    assert figures.percentile(values, share) == expected


def test_of_nothing_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="nothing"):
        figures.percentile([], 50)


def test_the_figures_of_a_run_are_per_request() -> None:
    made = figures.figures(cpu_seconds=0.5, wall_seconds=2.0, latencies=[0.001] * 98 + [0.004, 0.009])

    assert made == figures.Figures(requests=100, cpu_ms=5.0, p50_ms=1.0, p99_ms=pytest.approx(4.0), per_second=50.0)


def test_rounds_are_summed_up_by_their_medians() -> None:
    rounds = [figures.Figures(10, cpu, cpu + 1, cpu + 2, cpu * 10) for cpu in (1.0, 9.0, 2.0)]

    assert figures.medians(rounds) == figures.Figures(30, 2.0, 3.0, 4.0, 20.0)
