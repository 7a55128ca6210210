"""Results: one JSON file a plan while it runs, one table at the end."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterable
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

GREEN = {"PASSED", "WARNING", "REVIEW", "SKIPPED"}
TOLD = {"WARNING", "FAILURE"}


def is_green(module: dict[str, Any]) -> bool:
    """Finished, and not failed."""
    return module["status"] == "FINISHED" and module["result"] in GREEN


def not_run(plan: dict[str, Any]) -> int:
    """How many modules of the plan have no result yet."""
    return max(0, int(plan["expected"]) - len(plan["modules"]))


def findings(log: Iterable[dict[str, Any]]) -> list[str]:
    """What the suite found, in its own words: condition and message."""
    told = [entry for entry in log if entry.get("result") in TOLD]
    lines = [f"{entry.get('src', '')}: {entry.get('msg', '')}" for entry in told]
    return list(dict.fromkeys(line.replace("\n", " ").replace("|", "/")[:300] for line in lines))


def skipped(log: Iterable[dict[str, Any]]) -> list[str]:
    """Why a module was left out."""
    return [str(entry["msg"])[:300] for entry in log if "skipped" in str(entry.get("msg", "")).lower()][:1]


def to_review(log: Iterable[dict[str, Any]]) -> list[str]:
    """The pages a person should look at, as HTML."""
    return [entry["page_source"] for entry in log if entry.get("result") == "REVIEW" and "page_source" in entry]


def load(folder: Path, name: str) -> dict[str, Any]:
    """What is known of a plan already."""
    path = folder / f"{name}.json"
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"modules": {}, "expected": 0}
    return known


def save(folder: Path, name: str, known: dict[str, Any]) -> None:
    """Keep it, so that a long run can be taken up again."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")


def commit() -> str:
    """Which state of the program runs; `+` where something is not committed."""
    asked = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout.strip()


def table(folder: Path, names: Iterable[str], version: str) -> str:
    """Plan, module, result; every warning with its reason."""
    known = {name: load(folder, name) for name in names}
    ran = {name: plan for name, plan in known.items() if plan["modules"]}
    lines = [
        f"# Results of {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"OpenID Foundation conformance suite {version}, run by `conformance/run.py`. Green: finished, not failed.",
        "",
        "| plan | variant | passed | review | skipped | warning | failed | not run | commit |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_summary(name, plan) for name, plan in ran.items()),
    ]
    for name, plan in ran.items():
        lines += ["", f"## {name}", "", "| module | result | what the suite says |", "|---|---|---|"]
        lines += [_line(module) for module in plan["modules"].values()]
    return "\n".join(lines) + "\n"


def _summary(name: str, plan: dict[str, Any]) -> str:
    counted = Counter("FAILED" if not is_green(module) else module["result"] for module in plan["modules"].values())
    numbers = " | ".join(str(counted[kind]) for kind in ("PASSED", "REVIEW", "SKIPPED", "WARNING", "FAILED"))
    variant = ", ".join(f"{key}={value}" for key, value in plan.get("variant", {}).items())
    commits = ", ".join(plan.get("commits", ["not noted"]))
    return f"| {name} | {variant} | {numbers} | {not_run(plan)} | {commits} |"


def _line(module: dict[str, Any]) -> str:
    result = module["result"] if module["status"] == "FINISHED" else module["status"]
    told = "<br>".join([*module["findings"], *module.get("skipped", [])])
    variant = ", ".join(f"{value}" for value in (module.get("variant") or {}).values())
    return f"| {module['name']}{f' ({variant})' if variant else ''} | {result} | {told} |"
