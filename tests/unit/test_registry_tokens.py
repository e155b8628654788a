"""Registry tokens: scopes are parsed strictly, and each user gets its own part and no more."""

from __future__ import annotations

import base64
import time

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry
from pydantic import SecretStr

from api.deploy_control.auth import Caller, Callers
from api.deploy_control.registry_tokens import (
    BuildPasswords,
    RegistryIssuer,
    Scope,
    Subject,
    granted,
    parse_scopes,
)
from ops.errors import Invalid
from ops.settings import Settings
from tests.unit.certificates import self_signed


class LongHeaders(JWSRegistry):
    """Lets a header hold a certificate."""

    max_header_length = 4096


OWN = Subject("deployment-4", "deployment", "apps/u1-app2")
PUSH = Subject("push-4", "push", "apps/u1-app2", 1)


def test_scopes_come_in_several_parameters_or_in_one() -> None:
    assert parse_scopes(
        ["repository:apps/u1-app2:pull,push repository:base/node:pull", "registry:catalog:*"]
    ) == [
        Scope("repository", "apps/u1-app2", frozenset({"pull", "push"})),
        Scope("repository", "base/node", frozenset({"pull"})),
        Scope("registry", "catalog", frozenset({"*"})),
    ]
    assert parse_scopes(["", " "]) == []


@pytest.mark.parametrize(
    "scope",
    [
        "repository:apps/u1-app2",
        "repository:apps/u1-app2:",
        "repository:apps/u1-app2:pull,,push",
        "repository:apps/../x:pull",
        "repository:Apps/x:pull",
        "repository:/apps/x:pull",
        "repository:apps//x:pull",
        "repository:apps/x\n:pull",
        "repository:a:b:pull",
        "repository(plugin):apps/x:pull",
        "repository:apps/x:admin",
        "other:apps/x:pull",
        "repository:" + "a" * 600 + ":pull",
    ],
)
def test_any_other_scope_is_refused(scope: str) -> None:
    with pytest.raises(Invalid):
        parse_scopes([scope])


@pytest.mark.parametrize(
    ("subject", "scope", "actions"),
    [
        (OWN, "repository:apps/u1-app2:pull,push", ["pull", "push"]),
        (OWN, "repository:apps/u1-app2:pull,delete", ["pull"]),
        (OWN, "repository:apps/u1-app2:*", []),
        (OWN, "repository:apps/u1-app22:pull", []),
        (OWN, "repository:apps/u1-app2/x:pull", []),
        (OWN, "repository:apps/u2-app1:pull", []),
        (OWN, "repository:base/node:pull,push", ["pull"]),
        (OWN, "repository:apps/u1-app3:pull", []),
        (OWN, "registry:catalog:*", []),
        (PUSH, "repository:apps/u1-app2:pull,push", ["pull", "push"]),
        (PUSH, "repository:apps/u1-app3:pull,push", ["pull"]),
        (PUSH, "repository:apps/u11-app3:pull", []),
        (PUSH, "repository:apps/u2-app1:pull", []),
        (PUSH, "repository:apps/u1-app3/x:pull", []),
        (PUSH, "repository:other/u1-app3:pull", []),
        (PUSH, "repository:base/node:pull,push", ["pull"]),
        (Subject("node-r", "runtime"), "repository:apps/u2-app1:pull,push", ["pull"]),
        (Subject("node-r", "runtime"), "repository:appsx/u2-app1:pull", []),
        (Subject("node-b", "runner"), "repository:apps/u2-app1:pull", []),
        (Subject("node-b", "runner"), "repository:base/node:pull,push", ["pull"]),
        (Subject("base", "base"), "repository:base/node:pull,push", ["pull", "push"]),
        (Subject("base", "base"), "repository:apps/u2-app1:push", []),
        (Subject("control", "control"), "repository:apps/u2-app1:delete", ["delete"]),
        (Subject("control", "control"), "registry:catalog:*", ["*"]),
    ],
)
def test_what_is_granted_was_asked_for_and_permitted(
    subject: Subject, scope: str, actions: list[str]
) -> None:
    access = granted(subject, parse_scopes([scope]), "apps")
    assert [entry["actions"] for entry in access] == ([actions] if actions else [])


def test_a_build_password_is_for_one_deployment_and_ends() -> None:
    passwords = BuildPasswords(b"k" * 32, 60)
    password = passwords.issue("deployment-4")
    assert passwords.good("deployment-4", password)
    assert not passwords.good("deployment-5", password)
    assert not passwords.good("push-4", password)
    assert not passwords.good("deployment-4", password + "0")
    assert not BuildPasswords(b"x" * 32, 60).good("deployment-4", password)
    assert not passwords.good("deployment-4", "")
    assert not passwords.good("deployment-4", "²." + password)
    late = BuildPasswords(b"k" * 32, -1)
    assert not late.good("deployment-4", late.issue("deployment-4"))


def test_a_token_carries_its_certificate_and_the_access() -> None:
    pem, certificate = self_signed()
    settings = Settings()
    nodes = {node.node_id: (node, SecretStr(f"token of {node.node_id}")) for node in settings.nodes}
    callers = Callers(nodes, SecretStr("entry"))
    key = ECKey.import_key(pem)
    issuer = RegistryIssuer(key, certificate, callers, SecretStr("control token"), "apps")
    assert issuer.standing("control", "entry") is None
    assert issuer.standing("node-runtime-102", "token of runner-101") is None
    assert issuer.standing("node-none", "") is None
    subject = issuer.standing("node-runtime-102", "token of runtime-102")
    assert subject == Subject("node-runtime-102", "runtime")
    answer = issuer.token(subject, parse_scopes(["repository:apps/u1-app2:pull"]))
    token = jwt.decode(answer["token"], key, registry=LongHeaders())
    assert token.claims["access"] == [
        {"type": "repository", "name": "apps/u1-app2", "actions": ["pull"]}
    ]
    assert token.claims["aud"] == "studio-registry"
    assert time.time() < token.claims["exp"] <= time.time() + 300
    assert base64.b64decode(token.header["x5c"][0])


def test_callers_are_told_by_their_tokens() -> None:
    node = Settings().node("runner-101")
    callers = Callers({"runner-101": (node, SecretStr("a"))}, SecretStr("b"))
    assert callers.who("a") == Caller(node)
    assert callers.who("b") == Caller(None)
    assert callers.who("") is None
    assert callers.who("c") is None
    assert Callers({}, SecretStr("")).who("") is None
