"""Who calls: a node by its own token, the entry by its token. Compared in constant time."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from ops.errors import Forbidden, Unauthorized
from ops.settings import Node, Settings, read_secret

_bearer = HTTPBearer(auto_error=False, description="a node's token, or the entry's")


@dataclass(frozen=True)
class Caller:
    """``node`` None is the entry (91)."""

    node: Node | None


class Callers:
    """The tokens of everybody who may call, read once."""

    def __init__(self, nodes: dict[str, tuple[Node, SecretStr]], entry: SecretStr) -> None:
        self._nodes = nodes
        self._entry = entry

    @classmethod
    def load(cls, settings: Settings) -> Callers:
        return cls(
            {
                node.node_id: (node, read_secret(settings, f"node-{node.node_id}"))
                for node in settings.nodes
            },
            read_secret(settings, "entry-token"),
        )

    def who(self, token: str) -> Caller | None:
        """The caller of a bearer token; looks at every token, so that time tells nothing."""
        found: Caller | None = Caller(None) if same(token, self._entry) else None
        for node, secret in self._nodes.values():
            if same(token, secret):
                found = Caller(node)
        return found

    def node(self, node_id: str, token: str) -> Node | None:
        """The node of this name, when the token is its own."""
        node, secret = self._nodes.get(node_id, (None, SecretStr("")))
        return node if same(token, secret) else None


def same(given: str, secret: SecretStr) -> bool:
    """Constant-time comparison; an empty secret equals nothing."""
    expected = secret.get_secret_value().encode()
    return hmac.compare_digest(given.encode(), expected) and bool(expected)


def who(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    callers: Callers = request.app.state.callers
    caller = callers.who(credentials.credentials) if credentials else None
    if caller is None:
        raise Unauthorized("no known token was given")
    return caller


async def sender(request: Request) -> Caller:
    """Whose body it is that comes."""
    return who(request, await _bearer(request))


def the_entry(caller: Annotated[Caller, Depends(who)]) -> Caller:
    if caller.node is not None:
        raise Forbidden("only the entry may ask this")
    return caller


def a_node(caller: Annotated[Caller, Depends(who)]) -> Node:
    if caller.node is None:
        raise Forbidden("only a node may ask this")
    return caller.node


def a_runner(node: Annotated[Node, Depends(a_node)]) -> Node:
    if node.role != "runner":
        raise Forbidden("only a runner may ask this")
    return node


def a_runtime(node: Annotated[Node, Depends(a_node)]) -> Node:
    if node.role != "runtime":
        raise Forbidden("only a runtime node may ask this")
    return node


def a_workspace_node(node: Annotated[Node, Depends(a_node)]) -> Node:
    if node.role != "workspace":
        raise Forbidden("only a workspace node may ask this")
    return node


AnEntry = Annotated[Caller, Depends(the_entry)]
ANode = Annotated[Node, Depends(a_node)]
ARunner = Annotated[Node, Depends(a_runner)]
ARuntime = Annotated[Node, Depends(a_runtime)]
AWorkspaceNode = Annotated[Node, Depends(a_workspace_node)]
