"""The table of results says what happened, and nothing better."""

from pathlib import Path
from typing import Any

import pytest
import results


def _module(result: str, status: str = "FINISHED", **more: Any) -> dict[str, Any]:
    return {"name": "a-module", "status": status, "result": result, "findings": [], **more}


@pytest.mark.parametrize("result", ["PASSED", "REVIEW", "SKIPPED", "WARNING"])
def test_what_is_finished_and_not_failed_is_green(result: str) -> None:
    assert results.is_green(_module(result))


@pytest.mark.parametrize(
    "module",
    [_module("FAILED"), _module("UNKNOWN"), _module("PASSED", "INTERRUPTED"), _module("PASSED", "WAITING")],
)
def test_what_failed_or_never_ended_is_not(module: dict[str, Any]) -> None:
    assert not results.is_green(module)


def test_what_never_ended_counts_as_failed_and_what_never_began_is_told(tmp_path: Path) -> None:
    modules = {"001 a": _module("PASSED"), "002 b": _module("PASSED", "WAITING"), "003 c": _module("FAILED")}
    known = {"modules": modules, "expected": 5, "variant": {"response_type": "code"}, "commits": ["abc"]}
    results.save(tmp_path, "basic", known)

    table = results.table(tmp_path, ["basic", "never-run"], "5.2.4")

    assert "| basic | response_type=code | 1 | 0 | 0 | 0 | 2 | 2 | abc |" in table
    assert "never-run" not in table


def test_a_plan_is_taken_up_where_it_was_left(tmp_path: Path) -> None:
    assert results.load(tmp_path, "basic") == {"modules": {}, "expected": 0}
    results.save(tmp_path, "basic", {"modules": {"001 a": _module("PASSED")}})

    assert results.is_green(results.load(tmp_path, "basic")["modules"]["001 a"])


def test_warnings_and_failures_are_told_in_the_words_of_the_suite_once() -> None:
    log = [
        {"result": "SUCCESS", "src": "A", "msg": "fine"},
        {"result": "WARNING", "src": "B", "msg": "odd | and\nbroken"},
        {"result": "WARNING", "src": "B", "msg": "odd | and\nbroken"},
        {"result": "FAILURE", "src": "C", "msg": "wrong"},
    ]

    assert results.findings(log) == ["B: odd / and broken", "C: wrong"]
