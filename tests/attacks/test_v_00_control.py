"""The control: what is right works at the target, so that a refusal elsewhere is a refusal and no accident."""

from target import Target
from target import answer


def test_v00_every_kind_of_client_gets_its_tokens(each_target: Target) -> None:
    browser = each_target.signed_in()

    for client in ("web", "other", "query", "named", "native", "keyed", "posting", "exempt"):
        tokens = each_target.tokens(browser, client)
        assert each_target.userinfo(tokens["access_token"]).status_code == 200, client
        assert each_target.refresh(tokens["refresh_token"], client).status_code == 200, client


def test_v00_an_answer_goes_where_it_was_asked_for(target: Target) -> None:
    given = answer(target.authorize(target.signed_in()))

    assert set(given) == {"code", "state", "iss"}
    assert given["iss"] == target.issuer
    assert given["state"] == "state-1"
