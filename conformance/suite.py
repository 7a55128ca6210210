"""The suite's REST API: make a plan, run its modules, read what each found."""

import json
import time
from collections.abc import Mapping
from typing import Any

import requests
import urllib3

urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

ENDED = ("FINISHED", "INTERRUPTED")


class Suite:
    """One running suite in its development mode, which asks for no sign-in; its certificate is its own."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._http = requests.Session()
        self._http.verify, self._http.trust_env = False, False

    def plan(self, name: str, variant: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, Any]:
        """Make a plan; its id and its modules."""
        query = {"planName": name, "variant": json.dumps(variant)}
        return self._ask("POST", "/api/plan", query, json.dumps(config))

    def start(self, plan: str, module: Mapping[str, Any]) -> str:
        """Make one module's run; its id."""
        query = {"test": module["testModule"], "plan": plan, "variant": json.dumps(module.get("variant") or {})}
        return str(self._ask("POST", "/api/runner", query)["id"])

    def go(self, run: str) -> None:
        """Let a run that is configured begin."""
        self._ask("POST", f"/api/runner/{run}")

    def info(self, run: str) -> dict[str, Any]:
        """Status and result."""
        return self._ask("GET", f"/api/info/{run}")

    def log(self, run: str) -> list[dict[str, Any]]:
        """Every condition with its result."""
        return list(self._ask("GET", f"/api/log/{run}"))

    def waiting(self, run: str) -> list[str]:
        """Addresses that wait for a visitor."""
        return [str(url) for url in self._ask("GET", f"/api/runner/browser/{run}").get("urls", [])]

    def visited(self, run: str, url: str) -> None:
        """Say that somebody went there."""
        self._ask("POST", f"/api/runner/browser/{run}/visit", {"url": url})

    def _ask(self, method: str, path: str, query: Mapping[str, str] | None = None, body: str | None = None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        for pause in (1, 3, 10, None):
            try:
                url = self.address + path
                answer = self._http.request(method, url, params=query, data=body, headers=headers, timeout=120)
                break
            except requests.ConnectionError:
                if pause is None:
                    raise
                time.sleep(pause)
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else {}
