"""Compares what one request costs at our provider and at a peer; `make bench`, see README.md.

The servers run side by side and take turns within each round, so that what else the machine does meets them alike.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

import load
import servers
import services
from figures import Figures
from figures import figures
from figures import medians
from rich import box
from rich.console import Console
from rich.table import Table
from scenarios import SCENARIOS
from servers import Server

CONCURRENCY = (1, 8)
LONGEST = 10
"""Seconds for one run: its codes are redeemed after those of all servers, and they live for sixty."""
Key = tuple[str, int, str]
"""Scenario, concurrency, server."""


def main() -> int:
    """Measure, show, and keep as JSON where asked."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="idp-bench-") as folder, _running(Path(folder), given) as compared:
        rounds = _measured(compared, given)
        about = _about(given)
    results = {key: medians(each) for key, each in rounds.items()}
    _show(results, [server.name for server in compared], about)
    if given.json:
        given.json.write_text(json.dumps(_as_json(about, results, rounds), indent=1) + "\n", encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the provider with a peer.")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured, after a warm-up")
    parser.add_argument("--seconds", type=float, default=2, help="for one scenario at one server")
    parser.add_argument("--only", action="append", default=[], choices=SCENARIOS, metavar="SCENARIO")
    parser.add_argument("--without-peer", action="store_true", help="measure ours alone")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout of ours, measured beside it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, of each round too")
    given = parser.parse_args()
    if not 0 < given.seconds <= LONGEST or given.rounds < 1:
        parser.error(f"One round at least, and up to {LONGEST} seconds.")
    if "redemption" in given.only and "silent sign-in" not in given.only:
        given.only.append("silent sign-in")
    return given


@contextmanager
def _running(folder: Path, given: argparse.Namespace) -> Iterator[list[Server]]:
    """All that are compared, for the length of the block."""
    checkouts = {"": HERE.parent, **({" before": given.against.resolve()} if given.against else {})}
    started = []
    with ExitStack() as stack:
        for number, (suffix, root) in enumerate(checkouts.items()):
            started.append(stack.enter_context(servers.ours(f"SQLite{suffix}", folder / f"sqlite-{number}", root)))
            if "TEST_POSTGRES_URL" in os.environ and "TEST_REDIS_URL" in os.environ:
                addresses = {
                    "IDP_DATABASE_URL": stack.enter_context(services.postgres(f"idp_bench_{number}")),
                    "IDP_REDIS_URL": stack.enter_context(services.redis(14 - number)),
                }
                place = folder / f"postgres-{number}"
                started.append(stack.enter_context(servers.ours(f"Postgres{suffix}", place, root, **addresses)))
        if not given.without_peer:
            started.append(stack.enter_context(servers.peer("oidc-provider", folder / "peer")))
        yield started


def _measured(compared: Sequence[Server], given: argparse.Namespace) -> Mapping[Key, list[Figures]]:
    """The figures of every round; the first one warms up and is not kept."""
    found: dict[Key, list[Figures]] = defaultdict(list)
    names = [name for name in SCENARIOS if not given.only or name in given.only]
    for number in range(given.rounds + 1):
        print(f"round {number} of {given.rounds}{' (warm-up)' if number == 0 else ''} …", file=sys.stderr, flush=True)
        for concurrency in CONCURRENCY:
            for name in names:
                first = number % len(compared)
                for server in [*compared[first:], *compared[:first]]:
                    figures_of_run = _run(server, name, concurrency, given.seconds)
                    if number:
                        found[name, concurrency, server.name].append(figures_of_run)
    return found


def _run(server: Server, name: str, concurrency: int, seconds: float) -> Figures:
    driven = [load.ready(SCENARIOS[name](server)) for _ in range(concurrency)]
    before = server.spent()
    wall, latencies = load.drive(driven, "127.0.0.1", server.port, seconds)
    return figures(server.spent() - before, wall, latencies)


def _about(given: argparse.Namespace) -> dict[str, Any]:
    """What was measured, on what."""
    commit = subprocess.check_output(["git", "describe", "--always", "--dirty"], cwd=HERE, text=True).strip()
    peer = {} if given.without_peer else {"oidc-provider": servers.peer_version(), "Node": _first_line("node", "-v")}
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "load": os.getloadavg()[0]},
        "versions": {"provider": commit, "Python": platform.python_version(), **peer},
        "rounds": given.rounds,
        "seconds": given.seconds,
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _first_line(*command: str) -> str:
    return subprocess.check_output(command, text=True).splitlines()[0]


def _show(results: Mapping[Key, Figures], names: Sequence[str], about: Mapping[str, Any]) -> None:
    """One line a scenario, concurrency and server; the processor time comes first, for it depends least on the rest."""
    table = Table(box=box.SIMPLE)
    for column in ("scenario", "at once", "server"):
        table.add_column(column, no_wrap=True)
    for column in ("cpu ms", "p50 ms", "p99 ms", "per s"):
        table.add_column(column, no_wrap=True, justify="right")
    for scenario, concurrency in dict.fromkeys(key[:2] for key in results):
        for name in names:
            row = results[scenario, concurrency, name]
            figures_shown = f"{row.cpu_ms:.2f}", f"{row.p50_ms:.1f}", f"{row.p99_ms:.1f}", f"{row.per_second:.0f}"
            table.add_row(scenario, str(concurrency), name, *figures_shown, end_section=name == names[-1])
    console = Console()
    console.print(table)
    console.print_json(json.dumps(about))


def _as_json(
    about: Mapping[str, Any], results: Mapping[Key, Figures], rounds: Mapping[Key, list[Figures]]
) -> dict[str, Any]:
    lines = [
        {
            **dict(zip(("scenario", "concurrency", "server"), key, strict=True)),
            **asdict(each),
            "rounds": [asdict(one) for one in rounds[key]],
        }
        for key, each in results.items()
    ]
    return {**about, "results": lines}


if __name__ == "__main__":
    sys.exit(main())
