"""Sessions on the server: how they end, and what two requests at once do to each other."""

import pytest

from demo import sessions as module
from demo.sessions import Session
from demo.sessions import Sessions


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(clock)


def begin(sessions: Sessions, name: str, **values: object) -> None:
    session = Session(name, {}, new=True)
    session.update(values)
    sessions.write(session)


def load(sessions: Sessions, name: str) -> Session:
    values = sessions.find(name)
    assert values is not None
    return Session(name, values, new=False)


def test_two_requests_at_once_keep_what_each_of_them_wrote(sessions: Sessions) -> None:
    begin(sessions, "one", shared=1)
    left, right = load(sessions, "one"), load(sessions, "one")
    left["left"] = 1
    right["right"] = 2
    del right["shared"]

    sessions.write(left)
    sessions.write(right)

    assert sessions.find("one") == {"left": 1, "right": 2}


def test_a_change_deep_inside_a_value_is_written_too(sessions: Sessions) -> None:
    begin(sessions, "one", list=[1])
    session = load(sessions, "one")
    session["list"].append(2)

    sessions.write(session)

    assert sessions.find("one") == {"list": [1, 2]}


def test_an_ended_session_is_not_brought_back_by_a_slow_request(sessions: Sessions) -> None:
    begin(sessions, "one", person="somebody")
    slow, quick = load(sessions, "one"), load(sessions, "one")
    quick.renew()
    quick["state"] = 1
    sessions.write(quick)

    slow["late"] = True
    sessions.write(slow)

    assert sessions.find("one") is None


def test_an_idle_session_ends(sessions: Sessions, clock: Clock) -> None:
    begin(sessions, "one", a=1)
    clock.now += module.IDLE_SECONDS + 1

    assert sessions.find("one") is None


def test_a_session_in_use_ends_after_twelve_hours(sessions: Sessions, clock: Clock) -> None:
    begin(sessions, "one", a=1)
    began = clock.now
    while clock.now - began < module.ABSOLUTE_SECONDS:
        sessions.write(load(sessions, "one"))
        clock.now += module.IDLE_SECONDS - 1

    assert sessions.find("one") is None


def test_there_is_an_end_to_how_many_are_kept(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SESSIONS", 2)

    for name in ("one", "two", "three"):
        begin(sessions, name, a=1)

    assert sessions.find("one") is None
    assert sessions.find("three") == {"a": 1}
