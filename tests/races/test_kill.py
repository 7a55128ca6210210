"""The server is killed in the middle of an enrolment and started again: the person goes on with the same letter."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from live import ROOT
from live import Live
from live import Person
from live import _wait_until_ready
from live import provider
from walk import Page
from walk import Walker
from walk import expect


def serve(live: Live) -> subprocess.Popen[bytes]:
    port = live.issuer.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "cli", "serve", "--port", port, "--workers", "2"]
    log = live.folder / "serve-again.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=live.environment, stdout=out, stderr=out, start_new_session=True
        )
    _wait_until_ready(f"{live.issuer}/health/ready", process, log)
    return process


def kill(live: Live) -> None:
    """Kill every process of the provider at once, as a power cut does."""
    port = live.issuer.rsplit(":", 1)[1]
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"cli" in words and port.encode() in words:
            os.killpg(os.getpgid(int(entry.name)), signal.SIGKILL)
            return
    raise AssertionError("the provider was not found")


def identify(walker: Walker, person: Person) -> Page:
    """Step 1, wherever it leads."""
    page = walker.open("/enrol")
    return walker.answer(page, id=person.ahv_number, dob=person.birth_date, act=person.code, terms="1")


@pytest.mark.parametrize("stopped", ["confirm-email", "second-factor"])
def test_the_same_letter_goes_on_after_a_kill(tmp_path: Path, stopped: str) -> None:
    process = None
    with provider(tmp_path, workers=2) as live:
        try:
            person, walker = live.person(), Walker(live)
            page = walker.identify(walker.open("/enrol"), person)
            page = walker.answer(page, email=person.email, password=person.password, password2=person.password)
            if stopped == "second-factor":
                page = walker.answer(page, code=live.code(person.email))
            expect(page, stopped)

            kill(live)
            process = serve(live)

            expect(walker.open(page.url), stopped)  # the same browser
            other = Walker(live)
            resumed = identify(other, person)
            expect(resumed, "kept-address")
            assert "Bon retour" in resumed.text
            resumed = other.answer(resumed, password=person.password, password2=person.password)
            expect(resumed, stopped)
            if stopped == "confirm-email":  # another browser, another code
                resumed = other.answer(resumed, code=live.code(person.email, after=1))
            page = other.choose_factor(resumed, person, "totp")
            page = other.answer(page, code=other.confirmation(page, person, "totp"))
            expect(page, "/done")
        finally:
            if process is not None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(30)
