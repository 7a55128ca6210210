"""Codes and refresh tokens under fifty hands, over four workers (security rows V12, 2.17, 2.19)."""

from collections import Counter
from typing import Any


def test_one_of_fifty_redeems_a_code(racer: Any, race: Any) -> None:
    _, walker = racer.enrolled()
    code = racer.code(walker)

    answers = race([lambda: racer.redeem(code)] * 50)

    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 49}
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}


def test_at_most_two_of_fifty_refresh(racer: Any, race: Any) -> None:
    """Decision 4: the one that lost its answer may repeat once; more ends the family."""
    _, walker = racer.enrolled()
    first = racer.redeem(racer.code(walker)).json()["refresh_token"]

    answers = race([lambda: racer.refresh(first)] * 50)

    winners = [answer.json()["refresh_token"] for answer in answers if answer.status_code == 200]
    assert 1 <= len(winners) <= 2
    assert {answer.status_code for answer in answers} <= {200, 400}
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    assert sum(racer.refresh(token).status_code == 200 for token in winners) <= 1


def test_two_refreshes_leave_one_living_successor(racer: Any, race: Any) -> None:
    _, walker = racer.enrolled()
    first = racer.redeem(racer.code(walker)).json()["refresh_token"]

    answers = race([lambda: racer.refresh(first)] * 2)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert sum(racer.refresh(answer.json()["refresh_token"]).status_code == 200 for answer in answers) <= 1
