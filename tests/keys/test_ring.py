"""The life of keys on one node: next, active, retired, gone; by the calendar, by command, in an emergency."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from keys import InvalidToken
from keys import KeyRing
from keys import StoredKey
from keys import UnknownKey
from keys import Vault
from keys import WrongKey
from keys import algorithms

CLAIMS = {"sub": "someone"}
DAY = timedelta(days=1)


def kids(ring: KeyRing) -> list[str]:
    return [key["kid"] for key in ring.jwks()["keys"]]


def signer(ring: KeyRing) -> str:
    return str(algorithms.read_header(ring.sign(CLAIMS, alg="ES256"))["kid"])


def states(ring: KeyRing, clock: Any) -> Counter[str]:
    return Counter(key.state(clock()) for key in ring.stored())


def reach(ring: KeyRing, clock: Any, moment: Any) -> None:
    """Let time pass as it does on a node: somebody calls ensure every few hours."""
    while clock.now < moment:
        clock.now = min(clock.now + timedelta(hours=3), moment)
        ring.ensure()


def test_the_first_start_makes_one_active_key_per_algorithm(node: Callable[..., KeyRing], clock: Any) -> None:
    ring = node(algorithms=("RS256", "PS256", "ES256", "EdDSA"))
    ring.ensure()

    assert {key["alg"] for key in ring.jwks()["keys"]} == set(ring.algorithms)
    assert states(ring, clock) == {"active": 4}
    for alg in ring.algorithms:
        assert ring.verify(ring.sign(CLAIMS, alg=alg)) == CLAIMS


def test_without_keys_nothing_is_signed_and_the_reason_is_said(node: Callable[..., KeyRing]) -> None:
    with pytest.raises(UnknownKey, match="ES256"):
        node().sign(CLAIMS, alg="ES256")


def test_an_algorithm_the_ring_does_not_have_is_not_signed(ring: KeyRing) -> None:
    for alg in ("RS256", "HS256", "none"):
        with pytest.raises(UnknownKey):
            ring.sign(CLAIMS, alg=alg)
        with pytest.raises(UnknownKey):
            ring.rotate(alg)


@pytest.mark.parametrize("chosen", [(), ("HS256",), ("none",), ("ES256", "RS384")])
def test_a_ring_of_other_algorithms_cannot_be_made(node: Callable[..., KeyRing], chosen: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="algorithms"):
        node(algorithms=chosen)


def test_a_schedule_that_cannot_work_is_refused(node: Callable[..., KeyRing]) -> None:
    with pytest.raises(ValueError, match="rotate_every"):
        node(rotate_every=DAY, publish_before=DAY)
    with pytest.raises(ValueError, match="negative"):
        node(longest_token=-DAY)


def test_every_token_says_type_algorithm_and_key(ring: KeyRing) -> None:
    header = algorithms.read_header(ring.sign(CLAIMS, alg="ES256", typ="at+jwt", headers={"cty": "x"}))

    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": ring.stored()[0].kid, "cty": "x"}


def test_the_jwks_shows_public_members_only(node: Callable[..., KeyRing]) -> None:
    """RFC 7517 §9.2, security row 2.29: no d, p, q, dp, dq, qi, k; each kid is distinct."""
    ring = node(algorithms=algorithms.SIGNING)
    ring.ensure()
    ring.rotate()

    shown = ring.jwks()["keys"]

    members = {
        "RSA": {"kty", "kid", "use", "alg", "n", "e"},
        "EC": {"kty", "kid", "use", "alg", "crv", "x", "y"},
        "OKP": {"kty", "kid", "use", "alg", "crv", "x"},
    }
    assert len({key["kid"] for key in shown}) == len(shown) == 8
    for key in shown:
        assert set(key) == members[key["kty"]]
        assert key["use"] == "sig"
    json.dumps(shown)


def test_a_caller_may_change_the_jwks_it_was_given(ring: KeyRing) -> None:
    ring.jwks()["keys"][0]["kid"] = "changed"

    assert "changed" not in kids(ring)


def test_ensure_twice_changes_nothing(ring: KeyRing, storage: Any) -> None:
    before = dict(storage.rows)

    ring.ensure()
    ring.ensure()

    assert storage.rows == before


def test_a_key_lives_through_next_active_retired_and_gone(ring: KeyRing, clock: Any) -> None:
    first = ring.stored()[0]

    reach(ring, clock, first.signs_until - 2 * DAY)
    assert states(ring, clock) == {"active": 1}

    reach(ring, clock, first.signs_until - DAY)
    _, second = ring.stored()
    assert second.state(clock()) == "next"
    assert (signer(ring), kids(ring)) == (first.kid, [first.kid, second.kid])

    reach(ring, clock, second.signs_from)
    assert (first.state(clock()), second.state(clock())) == ("retired", "active")
    assert (signer(ring), kids(ring)) == (second.kid, [first.kid, second.kid])

    reach(ring, clock, first.shown_until)
    assert first.state(clock()) == "gone"
    assert (signer(ring), kids(ring)) == (second.kid, [second.kid])


def test_keys_change_every_ninety_days(ring: KeyRing, clock: Any) -> None:
    reach(ring, clock, clock() + 400 * DAY)

    lives = [key.signs_until - key.signs_from for key in ring.stored()]
    assert len(lives) == 5
    assert set(lives) == {90 * DAY}
    assert all(
        one.signs_until == other.signs_from for one, other in zip(ring.stored(), ring.stored()[1:], strict=False)
    )


def test_the_next_key_is_shown_at_least_a_day_before_it_signs(ring: KeyRing, clock: Any) -> None:
    """Decision 33; FAPI and OIDC Core §10.1.1 leave the time to us."""
    reach(ring, clock, clock() + 200 * DAY)

    for key in ring.stored()[1:]:
        assert key.signs_from - key.created_at >= DAY


@pytest.mark.parametrize("days_late", [0, 0.4, 1, 1.003])
def test_a_successor_made_late_is_still_shown_for_a_day_first(ring: KeyRing, clock: Any, days_late: float) -> None:
    """Nobody called ensure in time, with nodes still serving: the old key goes on, no client is surprised."""
    first = ring.stored()[0]
    clock.now = first.signs_until + days_late * DAY
    assert signer(ring) == first.kid

    ring.ensure()

    old, new = ring.stored()
    assert new.signs_from >= clock() + DAY
    assert old.signs_until == new.signs_from
    assert old.shown_until >= new.signs_from + DAY
    assert signer(ring) == first.kid
    clock.now = new.signs_from
    assert signer(ring) == new.kid
    assert kids(ring) == [first.kid, new.kid]


def test_after_a_long_sleep_a_new_key_signs_at_once(ring: KeyRing, clock: Any) -> None:
    first = ring.stored()[0]
    clock.now = first.shown_until + 30 * DAY
    with pytest.raises(UnknownKey):
        ring.sign(CLAIMS, alg="ES256")

    ring.ensure()

    assert kids(ring) == [signer(ring)] != [first.kid]


def test_a_client_that_caches_the_jwks_for_its_time_never_fails(node: Callable[..., KeyRing], clock: Any) -> None:
    """Security rows 2.30, P7: two nodes, a client that fetches every 23 hours, day-long tokens, a year."""
    nodes = [node(), node()]
    cached: list[str] = []
    fetched = clock() - 2 * DAY
    living: list[tuple[Any, str]] = []

    for hour in range(0, 24 * 365, 5):
        clock.advance(hours=5)
        here, there = nodes[hour % 2], nodes[(hour + 1) % 2]
        here.ensure()
        living = [(until, token) for until, token in living if until > clock()]
        token = there.sign(CLAIMS, alg="ES256")
        living.append((clock() + DAY, token))
        if clock() - fetched >= timedelta(hours=23):
            cached, fetched = kids(here), clock()
            for _, older in living:
                assert algorithms.read_header(older)["kid"] in cached
        assert algorithms.read_header(token)["kid"] in cached
        assert here.verify(living[0][1]) == CLAIMS

    assert len(here.stored()) == 5


def test_a_token_of_a_retired_key_verifies_and_of_a_gone_one_does_not(ring: KeyRing, clock: Any) -> None:
    first = ring.stored()[0]
    token = ring.sign(CLAIMS, alg="ES256")

    reach(ring, clock, first.shown_until - timedelta(seconds=1))
    assert ring.verify(token) == CLAIMS

    clock.advance(seconds=1)
    with pytest.raises(InvalidToken):
        ring.verify(token)


def test_an_expired_token_still_verifies(ring: KeyRing) -> None:
    """RP-Initiated Logout §2: an id_token_hint is accepted although its exp has passed; callers judge."""
    assert ring.verify(ring.sign({"exp": 1}, alg="ES256")) == {"exp": 1}


def test_a_rotation_by_command_is_shown_a_day_before_it_signs(ring: KeyRing, clock: Any) -> None:
    before = ring.stored()[0].kid

    (made,) = ring.rotate("ES256")

    assert made.signs_from == clock() + DAY
    assert kids(ring) == [before, made.kid]
    assert signer(ring) == before
    clock.advance(days=1)
    assert signer(ring) == made.kid
    clock.advance(days=1, minutes=6)
    assert kids(ring) == [made.kid]


def test_a_rotation_now_signs_now_and_keeps_the_old_key_shown(ring: KeyRing, clock: Any) -> None:
    before = ring.stored()[0].kid
    token = ring.sign(CLAIMS, alg="ES256")

    (made,) = ring.rotate(now=True)

    assert signer(ring) == made.kid
    assert kids(ring) == [before, made.kid]
    assert ring.verify(token) == CLAIMS
    clock.advance(days=1, minutes=6)
    assert kids(ring) == [made.kid]


def test_a_rotation_now_works_at_the_very_moment_of_the_first_start(node: Callable[..., KeyRing], clock: Any) -> None:
    clock.now = clock.now.replace(hour=0, minute=0)
    ring = node()
    ring.ensure()
    before = signer(ring)

    (made,) = ring.rotate(now=True)

    assert signer(ring) == made.kid != before


def test_a_rotation_by_command_fits_between_planned_keys(ring: KeyRing, clock: Any) -> None:
    first = ring.stored()[0]
    reach(ring, clock, first.signs_until - DAY)
    planned = ring.stored()[1]

    (made,) = ring.rotate(now=True)

    assert signer(ring) == made.kid
    assert set(kids(ring)) == {first.kid, made.kid, planned.kid}
    clock.now = planned.signs_from
    ring.ensure()
    assert signer(ring) == planned.kid
    assert states(ring, clock) == {"retired": 2, "active": 1}


def test_a_rotation_of_an_empty_ring_signs_at_once(node: Callable[..., KeyRing]) -> None:
    ring = node()

    (made,) = ring.rotate()

    assert signer(ring) == made.kid


def test_rotating_one_algorithm_leaves_the_others(node: Callable[..., KeyRing]) -> None:
    ring = node(algorithms=("ES256", "EdDSA"))
    ring.ensure()
    before = {key.kid for key in ring.stored() if key.alg == "EdDSA"}

    made = ring.rotate("ES256", emergency=True)

    assert [key.alg for key in made] == ["ES256"]
    assert {key["kid"] for key in ring.jwks()["keys"] if key["alg"] == "EdDSA"} == before


def test_an_emergency_drops_every_older_key_at_once(ring: KeyRing, clock: Any) -> None:
    """Security rows 2.30, F18: active, next and retired keys lay side by side; none counts any more."""
    ring.rotate(now=True)
    clock.advance(hours=1)
    ring.rotate(now=True)
    clock.advance(hours=1)
    token = ring.sign(CLAIMS, alg="ES256")
    ring.rotate()
    assert states(ring, clock) == {"retired": 2, "active": 1, "next": 1}

    (made,) = ring.rotate(emergency=True)

    assert kids(ring) == [made.kid] == [signer(ring)]
    assert states(ring, clock) == {"gone": 4, "active": 1}
    assert made.signs_until == clock() + 90 * DAY
    with pytest.raises(InvalidToken):
        ring.verify(token)


def test_two_emergencies_at_one_moment_leave_a_key_that_signs(ring: KeyRing) -> None:
    (one,) = ring.rotate(emergency=True)
    (two,) = ring.rotate(emergency=True)

    assert one.kid != two.kid
    assert kids(ring) == [two.kid] == [signer(ring)]


def test_life_goes_on_after_an_emergency(ring: KeyRing, clock: Any) -> None:
    (made,) = ring.rotate(emergency=True)

    reach(ring, clock, made.signs_until)

    assert signer(ring) != made.kid
    assert made.kid in kids(ring)
    assert all(key.state(clock()) == "gone" for key in ring.stored() if key.revoked_at)


def test_a_next_key_revoked_by_hand_is_replaced(ring: KeyRing, storage: Any, clock: Any) -> None:
    first = ring.stored()[0]
    reach(ring, clock, first.signs_until - DAY * 1.2)
    withdrawn = ring.stored()[1]
    storage.replace(replace(withdrawn, revoked_at=clock()))

    ring.ensure()

    *_, new = [key for key in ring.stored() if key.revoked_at is None]
    assert new.state(clock()) == "next"
    assert kids(ring) == [first.kid, new.kid]


def test_only_key_revoked_by_hand_is_replaced_at_once(ring: KeyRing, storage: Any, clock: Any) -> None:
    storage.replace(replace(ring.stored()[0], revoked_at=clock()))

    ring.ensure()

    assert kids(ring) == [signer(ring)]


def test_signing_does_not_touch_the_storage_while_the_reading_is_fresh(ring: KeyRing, storage: Any, clock: Any) -> None:
    token = ring.sign(CLAIMS, alg="ES256")
    loads = storage.loads

    clock.advance(seconds=29)
    for _ in range(20):
        ring.verify(ring.sign(CLAIMS, alg="ES256"))
        ring.jwks()
    assert storage.loads == loads

    clock.advance(seconds=1)
    ring.verify(token)
    assert storage.loads == loads + 1


def test_a_clock_set_back_does_not_freeze_the_reading(ring: KeyRing, storage: Any, clock: Any) -> None:
    loads = storage.loads

    clock.advance(hours=-5)
    ring.jwks()

    assert storage.loads == loads + 1


def test_a_private_key_is_imported_once(
    node: Callable[..., KeyRing], monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    """Importing a private RSA key takes 50 ms: sixteen threads that begin together import one, once."""
    node(algorithms=("RS256",)).ensure()
    imported = []
    original = RSAKey.binding.import_private_key

    def count(members: Any) -> Any:
        imported.append(1)
        time.sleep(0.02)
        return original(members)

    monkeypatch.setattr(RSAKey.binding, "import_private_key", count)
    ring = node(algorithms=("RS256",))
    ring.jwks()
    assert imported == []

    threads = [threading.Thread(target=ring.sign, args=(CLAIMS,)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.advance(minutes=5)
    ring.sign(CLAIMS)

    assert imported == [1]


def test_keys_go_on_when_the_storage_is_away(ring: KeyRing, storage: Any, clock: Any) -> None:
    """Security rows F7, F8: signing, verifying and the JWKS need no database for what is known."""
    token = ring.sign(CLAIMS, alg="ES256")
    storage.is_away = True
    clock.advance(hours=1)

    assert ring.verify(token) == ring.verify(ring.sign(CLAIMS, alg="ES256")) == CLAIMS
    assert kids(ring)
    with pytest.raises(ConnectionError):
        ring.ensure()


def test_a_storage_that_is_away_is_not_asked_by_every_request(ring: KeyRing, storage: Any, clock: Any) -> None:
    attempts = []

    def fail() -> list[StoredKey]:
        attempts.append(1)
        raise ConnectionError

    storage.load = fail
    clock.advance(hours=1)
    for _ in range(20):
        ring.jwks()

    assert attempts == [1]


def test_while_one_thread_waits_for_the_storage_the_others_go_on(ring: KeyRing, storage: Any, clock: Any) -> None:
    entered, leave = threading.Event(), threading.Event()
    load = storage.load

    def slow() -> list[StoredKey]:
        entered.set()
        assert leave.wait(10)
        return list(load())

    storage.load = slow
    clock.advance(minutes=1)
    waiting = threading.Thread(target=ring.jwks)
    waiting.start()
    assert entered.wait(10)

    assert ring.verify(ring.sign(CLAIMS, alg="ES256")) == CLAIMS
    assert waiting.is_alive()

    leave.set()
    waiting.join(10)


def test_without_a_first_reading_the_failure_is_told(node: Callable[..., KeyRing], storage: Any) -> None:
    storage.is_away = True

    with pytest.raises(ConnectionError):
        node().jwks()


def test_strangers_cannot_make_us_read_the_storage_more_than_once_a_second(
    ring: KeyRing, storage: Any, clock: Any
) -> None:
    forged = algorithms.sign(CLAIMS, algorithms.generate("ES256"), {"alg": "ES256", "kid": "unknown"})
    loads = storage.loads

    for _ in range(50):
        clock.advance(seconds=0.1)
        with pytest.raises(InvalidToken):
            ring.verify(forged)

    assert storage.loads - loads == 5


def test_a_node_with_another_root_refuses_before_it_writes(ring: KeyRing, storage: Any, clock: Any) -> None:
    """Security row F24."""
    before = dict(storage.rows)
    clock.advance(days=89)
    stranger = KeyRing(storage, Vault(b"x" * 32), algorithms=("ES256",), clock=clock)

    with pytest.raises(WrongKey):
        stranger.ensure()

    assert storage.rows == before
    for attempt in (stranger.jwks, lambda: stranger.sign(CLAIMS, alg="ES256")):
        with pytest.raises(WrongKey):
            attempt()


def test_an_emergency_helps_where_the_root_is_lost(ring: KeyRing, storage: Any, clock: Any) -> None:
    restored = KeyRing(storage, Vault(b"x" * 32), algorithms=("ES256",), clock=clock)

    restored.rotate(emergency=True)
    restored.ensure()

    assert kids(restored) == [signer(restored)]


def test_a_new_root_reseals_the_keys(ring: KeyRing, storage: Any, clock: Any) -> None:
    kid = signer(ring)
    both = KeyRing(storage, Vault(b"x" * 32, old_secrets=[b"r" * 32]), algorithms=("ES256",), clock=clock)
    both.ensure()

    assert (both.reseal(), both.reseal()) == (1, 0)

    only_new = KeyRing(storage, Vault(b"x" * 32), algorithms=("ES256",), clock=clock)
    assert signer(only_new) == kid


@pytest.mark.parametrize("change", [{"alg": "EdDSA"}, {"kid": "other"}])
def test_a_row_under_another_name_does_not_open(
    ring: KeyRing, storage: Any, vault: Vault, clock: Any, change: Any
) -> None:
    (row,) = storage.rows.values()
    storage.rows = {row.kid: replace(row, **change)}
    fresh = KeyRing(storage, vault, algorithms=("ES256", "EdDSA"), clock=clock)

    with pytest.raises(WrongKey):
        fresh.ensure()


def test_a_stored_key_shows_no_material_when_printed(ring: KeyRing) -> None:
    (row,) = ring.stored()

    assert "sealed" not in repr(row)
    assert b'"d"' not in row.sealed


def test_a_key_of_an_algorithm_no_longer_used_stays_shown_until_its_tokens_end(
    node: Callable[..., KeyRing],
) -> None:
    both = node(algorithms=("ES256", "EdDSA"))
    both.ensure()
    token = both.sign(CLAIMS, alg="EdDSA")

    fewer = node(algorithms=("ES256",))
    fewer.ensure()

    assert fewer.verify(token) == CLAIMS
    assert len(kids(fewer)) == 2
    with pytest.raises(UnknownKey):
        fewer.sign(CLAIMS, alg="EdDSA")
