"""Runs plans of the official suite against a provider started here, and writes the table of results.

`python conformance/run.py --suite https://localhost.emobix.co.uk:8443 config basic`; without names, every plan. A run
that was interrupted goes on where it stopped; `--again` begins anew.
"""

import argparse
import re
import signal
import sys
import tempfile
import time
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

import results
from chromium import Chromium
from plan import Plan
from plans import plans
from provider import Provider
from provider import running
from suite import ENDED
from suite import Suite

HERE = Path(__file__).parent
LONGEST = 420
"""Seconds for one module; the slowest wait for codes and requests to expire."""
ROTATE = "oidcc-server-rotate-keys"
FORGETS = "user-rejects-authentication"
ASKED = "CallBackchannelAuthenticationEndpoint"
TURN = re.compile("TellUserTo|waiting for user to|CibaApproval")
"""How the log says that it is the person's turn, at the other device; CIBA modules try other things before."""


def main() -> int:
    """Run what was asked for; 1 when anything is not green."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # and with it what was started here
    given = _arguments()
    suite = Suite(given.suite)
    known = plans(given.suite)
    chosen = [plan for plan in known if not given.plans or plan.name in given.plans]
    if unknown := set(given.plans) - {plan.name for plan in known}:
        sys.exit(f"There is no plan {', '.join(sorted(unknown))}; choose among {', '.join(p.name for p in known)}.")
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), given.suite, given.trust) as provider:
        good = [_run(plan, suite, provider, given) for plan in chosen]
    report = HERE / "results" / f"{datetime.now(UTC):%Y-%m-%d}.md"
    report.write_text(results.table(given.work, [plan.name for plan in known], given.version), encoding="utf-8")
    print(f"\n{report}")
    return 0 if all(good) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run plans of the official conformance suite.")
    parser.add_argument("plans", nargs="*", metavar="PLAN")
    parser.add_argument("--suite", required=True, metavar="URL", help="where the suite runs, in its development mode")
    parser.add_argument("--trust", type=Path, metavar="FILE", help="the authority of the suite's certificate (PEM)")
    parser.add_argument("--work", type=Path, default=HERE.parent / "var" / "conformance", help="one JSON for each plan")
    parser.add_argument("--module", action="append", default=[], help="only modules whose name contains this")
    parser.add_argument("--again", action="store_true", help="also what is green already")
    parser.add_argument("--version", default="(version not said)", help="the suite's version, for the report")
    return parser.parse_args()


def _run(plan: Plan, suite: Suite, provider: Provider, given: argparse.Namespace) -> bool:
    """Every module of one plan that is not green yet."""
    known = results.load(given.work, plan.name)
    provider.apply(plan)
    made = suite.plan(plan.plan, plan.variant, plan.config)
    known |= {"variant": plan.variant, "plan": plan.plan, "expected": len(made["modules"])}
    known["commits"] = sorted({*known.get("commits", ()), results.commit()})
    results.save(given.work, plan.name, known)
    print(f"\n{plan.name}: {len(made['modules'])} modules", flush=True)
    for number, module in enumerate(made["modules"], start=1):
        key = f"{number:03} {module['testModule']}"
        before = known["modules"].get(key)
        is_wanted = not given.module or any(part in module["testModule"] for part in given.module)
        if not is_wanted or (before and results.is_green(before) and not given.again):
            continue
        if FORGETS in module["testModule"]:
            provider.idp("conformance", "account")  # so that consent is asked for again
        done = _module(suite, made["id"], module, provider, plan)
        known["modules"][key] = done
        results.save(given.work, plan.name, known)
        _picture(suite.log(done["run"]), given.work / "pictures" / plan.name, key)
        told = f"  {'; '.join(done['findings'])[:230]}" if done["findings"] else ""
        print(f"  {done['result']:8} {done['seconds']:4.0f}s {module['testModule']}{told}", flush=True)
    is_whole = bool(given.module) or not results.not_run(known)
    return is_whole and all(results.is_green(module) for module in known["modules"].values())


def _module(suite: Suite, made: str, module: dict[str, Any], provider: Provider, plan: Plan) -> dict[str, Any]:
    provider.mailbox.empty()
    begun, run, rotated = time.monotonic(), suite.start(made, module), False
    browser = Chromium() if plan.chromium or plan.confirms else None
    visited: set[str] = set()
    code: str | None = None
    info: dict[str, Any] = {}
    while time.monotonic() - begun < LONGEST:
        code = code or provider.mailbox.next_code()  # before the status: what waits now has asked for this code
        info = suite.info(run)
        if info["status"] in ENDED:
            break
        if info["status"] == "CONFIGURED" and not rotated:
            if module["testModule"] == ROTATE:
                provider.rotate_keys()
            rotated = True
            suite.go(run)
        if browser and info["status"] == "WAITING":
            if not plan.confirms:
                _visit(suite, run, visited, browser)
            elif code and _obey(suite.log(run), code, browser):
                code = None
        time.sleep(0.4)
    if browser:
        browser.close()
    log = suite.log(run)
    return {
        "name": module["testModule"],
        "variant": module.get("variant"),
        "run": run,
        "status": info.get("status", "UNKNOWN"),
        "result": info.get("result") or "UNKNOWN",
        "findings": results.findings(log),
        "skipped": results.skipped(log) if info.get("result") == "SKIPPED" else [],
        "seconds": time.monotonic() - begun,
    }


def _picture(log: list[dict[str, Any]], folder: Path, key: str) -> None:
    """Keep what a person should look at."""
    shown = results.to_review(log)
    if not shown:
        return
    browser = Chromium()
    for number, html in enumerate(shown, start=1):
        browser.picture(html, folder / f"{key.replace(' ', '-')}-{number}.png")
    browser.close()


def _obey(log: list[dict[str, Any]], code: str, browser: Chromium) -> bool:
    """What a person does who has the mail with this code and does as they are told; whether it was their turn."""
    lines = [f"{entry.get('src')} {entry.get('msg')}" for entry in log]
    asked = max((number for number, line in enumerate(lines) if line.startswith(ASKED)), default=0)
    told = " ".join(line for line in lines[asked:] if TURN.search(line))
    if told and "Ignore" not in told:
        browser.confirm(code, refuse="reject" in told.lower())
    return bool(told)


def _visit(suite: Suite, run: str, visited: set[str], browser: Chromium) -> None:
    """What a person with a real browser would do."""
    for url in suite.waiting(run):
        if url not in visited:
            visited.add(url)
            suite.visited(run, url)
            browser.visit(url)


if __name__ == "__main__":
    sys.exit(main())
