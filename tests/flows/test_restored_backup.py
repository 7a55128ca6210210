"""A backup of yesterday is restored: nothing that ended since lets anybody in (security row 2.79)."""

from flask import Flask
from oidc import a_client
from oidc import answer
from oidc import authorize
from oidc import refresh
from oidc import tokens_for
from oidc import userinfo
from visitor import Visitor
from visitor import a_member
from visitor import a_person
from visitor import audited

import cli
from idp.clock import now
from idp.db import db
from idp.models import OutboxMessage
from idp.provider import provider
from pensioners.models import ActivationCode


def test_what_a_backup_has_brought_back_ends(app: Flask) -> None:
    visitor, client = Visitor(app), a_client()
    visitor.sign_in(a_member())
    given = tokens_for(visitor.browser, client, scope="openid offline_access")
    a_person(7)
    before = {key.kid for key in provider.keys.stored()}
    assert db.session.query(ActivationCode).filter(*ActivationCode.is_untouched()).count() >= 1

    told = app.test_cli_runner().invoke(cli.main, ["after-restore", "--operator", "Eva", "--yes"])

    assert told.exit_code == 0, told.output
    assert "1 accounts sign in again" in told.output
    assert answer(authorize(visitor.browser, client, prompt="none"))["error"] == "login_required"
    assert refresh(visitor.browser, given["refresh_token"]).json["error"] == "invalid_grant"
    assert userinfo(visitor.browser, given["access_token"]).status_code == 401
    assert db.session.query(ActivationCode).filter(*ActivationCode.is_untouched()).count() == 0
    assert db.session.query(OutboxMessage).filter_by(state="pending").count() == 0
    (made,) = [key for key in provider.keys.stored() if key.alg == "ES256" and key.kid not in before]
    assert made.state(now()) == "active"
    (line,) = audited("restored")
    assert line.details["operator"] == "Eva"
