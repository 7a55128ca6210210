"""Several nodes over one storage: they agree on the keys, and take changes up without a restart."""

import threading
from collections.abc import Callable
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from keys import InvalidToken
from keys import KeyRing
from keys import algorithms

CLAIMS = {"sub": "someone"}


def kids(ring: KeyRing) -> list[str]:
    return [key["kid"] for key in ring.jwks()["keys"]]


def signer(ring: KeyRing) -> str:
    return str(algorithms.read_header(ring.sign(CLAIMS, alg="ES256"))["kid"])


def together(*actions: Callable[[], object]) -> None:
    """Run all at once and let no failure pass."""
    failures: list[BaseException] = []
    start = threading.Barrier(len(actions))

    def run(action: Callable[[], object]) -> None:
        start.wait(10)
        try:
            action()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []


def meet_at_the_first_reading(storage: Any, parties: int) -> None:
    """Let every node read before any of them writes: the worst moment for a race."""
    meeting = threading.Barrier(parties)
    load = storage.load
    met: set[int] = set()

    def load_together() -> Sequence[Any]:
        rows = load()
        if threading.get_ident() not in met and len(met) < parties:
            met.add(threading.get_ident())
            meeting.wait(10)
        return rows

    storage.load = load_together


def test_nodes_that_start_together_end_with_one_key_per_algorithm(node: Callable[..., KeyRing], storage: Any) -> None:
    nodes = [node(algorithms=("ES256", "EdDSA")) for _ in range(6)]
    meet_at_the_first_reading(storage, 6)

    together(*(each.ensure for each in nodes))

    assert sorted(row.alg for row in storage.rows.values()) == ["ES256", "EdDSA"]
    assert len({signer(each) for each in nodes}) == 1


def test_nodes_whose_clocks_differ_start_with_one_key(node: Callable[..., KeyRing], storage: Any, clock: Any) -> None:
    nodes = [node(clock=lambda lag=lag: clock() + timedelta(seconds=lag)) for lag in (-2, -0.003, 0, 0.003, 2)]
    meet_at_the_first_reading(storage, 5)

    together(*(each.ensure for each in nodes))

    assert len(storage.rows) == 1


def test_nodes_that_plan_together_plan_one_next_key(
    node: Callable[..., KeyRing], ring: KeyRing, storage: Any, clock: Any
) -> None:
    clock.advance(days=88, hours=20)
    nodes = [node(clock=lambda lag=lag: clock() + timedelta(seconds=lag)) for lag in (-1, 0, 0.5, 1)]
    meet_at_the_first_reading(storage, 4)

    together(*(each.ensure for each in nodes))

    assert len(storage.rows) == 2
    assert {tuple(kids(each)) for each in nodes} == {tuple(kids(ring))}


def test_nodes_that_plan_late_together_plan_one_next_key(
    node: Callable[..., KeyRing], ring: KeyRing, storage: Any, clock: Any
) -> None:
    clock.now = ring.stored()[0].signs_until + timedelta(hours=7)
    nodes = [node(clock=lambda lag=lag: clock() + timedelta(seconds=lag)) for lag in (-1, 0, 0.5, 1)]
    meet_at_the_first_reading(storage, 4)

    together(*(each.ensure for each in nodes))

    assert len(storage.rows) == 2


def test_nodes_that_start_on_both_sides_of_midnight_agree_all_the_same(
    node: Callable[..., KeyRing], storage: Any, clock: Any
) -> None:
    """Two keys may come of it; one of them signs on every node, and both verify."""
    clock.now = clock.now.replace(hour=0, minute=0)
    early, late = (
        node(clock=lambda: clock() - timedelta(seconds=1)),
        node(clock=lambda: clock() + timedelta(seconds=1)),
    )
    meet_at_the_first_reading(storage, 2)

    together(early.ensure, late.ensure)
    clock.advance(seconds=40)
    early.ensure()
    late.ensure()

    assert signer(early) == signer(late)
    assert late.verify(early.sign(CLAIMS, alg="ES256")) == CLAIMS
    assert len([row for row in storage.rows.values() if row.state(clock()) == "active"]) == 1


def test_threads_of_one_node_make_one_key(node: Callable[..., KeyRing], storage: Any) -> None:
    ring = node()

    together(*[ring.ensure] * 8)

    assert len(storage.rows) == 1


def test_two_commands_at_one_moment_are_one_rotation(node: Callable[..., KeyRing], ring: KeyRing, storage: Any) -> None:
    nodes = [node(), node()]
    meet_at_the_first_reading(storage, 2)

    together(*(each.rotate for each in nodes))

    assert len(storage.rows) == 2


def test_another_node_takes_a_rotation_up_within_the_refresh_time(
    node: Callable[..., KeyRing], ring: KeyRing, clock: Any
) -> None:
    other = node()
    before = kids(other)

    (made,) = ring.rotate(now=True)
    assert kids(other) == before

    clock.advance(seconds=30)
    assert kids(other) == [*before, made.kid]
    assert signer(other) == made.kid


def test_another_node_reads_again_for_a_kid_it_does_not_know(
    node: Callable[..., KeyRing], ring: KeyRing, clock: Any
) -> None:
    other = node()
    other.jwks()
    ring.rotate(now=True)
    token = ring.sign(CLAIMS, alg="ES256")

    clock.advance(seconds=1)

    assert other.verify(token) == CLAIMS


def test_an_emergency_reaches_another_node_within_the_refresh_time(
    node: Callable[..., KeyRing], ring: KeyRing, clock: Any
) -> None:
    other = node()
    token = other.sign(CLAIMS, alg="ES256")

    (made,) = ring.rotate(emergency=True)
    clock.advance(seconds=30)

    assert kids(other) == [made.kid] == [signer(other)]
    with pytest.raises(InvalidToken):
        other.verify(token)


def test_a_key_that_another_node_began_to_use_a_little_early_is_believed(
    node: Callable[..., KeyRing], ring: KeyRing, clock: Any
) -> None:
    (made,) = ring.rotate()
    fast = node(clock=lambda: clock() + timedelta(seconds=5))
    clock.now = made.signs_from - timedelta(seconds=3)

    token = fast.sign(CLAIMS, alg="ES256")

    assert algorithms.read_header(token)["kid"] == made.kid
    assert ring.verify(token) == CLAIMS


def test_signing_goes_on_while_keys_rotate(node: Callable[..., KeyRing], ring: KeyRing, clock: Any) -> None:
    """Security row F18 in small: one node rotates again and again, the others sign and verify."""
    nodes = [node(refresh_seconds=0) for _ in range(3)]

    def rotate() -> None:
        for turn in range(12):
            clock.advance(seconds=1)
            ring.rotate(now=True, emergency=turn % 5 == 4)

    def work(here: KeyRing) -> None:
        for _ in range(60):
            assert here.jwks()["keys"]
            here.sign(CLAIMS, alg="ES256")

    together(rotate, *(lambda each=each: work(each) for each in nodes))

    clock.advance(seconds=1)
    assert len({signer(each) for each in nodes}) == 1
    assert all(here.verify(there.sign(CLAIMS, alg="ES256")) == CLAIMS for here in nodes for there in nodes)
