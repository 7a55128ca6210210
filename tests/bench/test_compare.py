"""The bench itself: it starts what it compares, and says what it has measured."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_it_measures_this_checkout_beside_another_one(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [
        sys.executable,
        str(ROOT / "bench" / "compare.py"),
        "--rounds",
        "1",
        "--seconds",
        "0.2",
        "--without-peer",
    ]
    command += ["--only", "silent sign-in", "--against", str(ROOT), "--json", str(figures)]
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("TEST_", "PYTEST_"))}

    done = subprocess.run(command, env=alone, capture_output=True, text=True, timeout=200, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    assert "SQLite before" in done.stdout
    measured = json.loads(figures.read_text(encoding="utf-8"))
    assert measured["rounds"] == 1
    assert {line["server"] for line in measured["results"]} == {"SQLite", "SQLite before"}
    assert all(line["cpu_ms"] > 0 for line in measured["results"])
