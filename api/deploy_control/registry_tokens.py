"""Token authentication of the image registry: who may do what with which repository.

Distribution's token flow: the registry answers 401 and names us; the client comes with Basic
credentials and the scopes that it wants; the token names the part of them that it may have.

    deployment-{id}   pull and push of exactly its app's repository, while the deployment runs
    push-{id}         the same, and pull of its user's other apps: a layer that one of them has is
                      mounted from there, not sent again. A build never has it: it could start FROM them
    node-{node_id}    a runtime node pulls every app's images; every node pulls base images
    control           everything, deletion too
    base              pull and push of base images
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import SecretStr

from api.deploy_control.auth import Callers, same
from ops.errors import Invalid
from ops.names import user_of_repository
from ops.settings import Settings, read_secret

SERVICE = "studio-registry"
ISSUER = "studio"
BASE_IMAGES = "base/"
TOKEN_SECONDS = 300
PASSWORD_GRACE_SECONDS = 900

_NAME = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
_SCOPE = re.compile(
    rf"(?P<type>repository|registry):(?P<name>{_NAME}):(?P<actions>(?:[a-z]+|\*)(?:,(?:[a-z]+|\*))*)"
)
_KNOWN_ACTIONS = frozenset({"pull", "push", "delete", "*"})


@dataclass(frozen=True)
class Scope:
    type: str
    name: str
    actions: frozenset[str]


@dataclass(frozen=True)
class Subject:
    """Somebody whose credentials were good. ``repository`` is a deployment's own, in full."""

    name: str
    kind: str
    repository: str | None = None
    user_id: int | None = None


def parse_scopes(given: Iterable[str]) -> list[Scope]:
    """Every scope that was asked for. Raises Invalid for one that is not of the known form."""
    scopes = []
    for text in " ".join(given).split():
        match = _SCOPE.fullmatch(text) if len(text) <= 512 else None
        actions = frozenset(match["actions"].split(",")) if match else frozenset()
        if match is None or not actions <= _KNOWN_ACTIONS:
            raise Invalid("this is no scope of the registry", field="scope")
        scopes.append(Scope(match["type"], match["name"], actions))
    return scopes


def permitted(subject: Subject, scope: Scope, namespace: str) -> frozenset[str]:
    """What a subject may do with what a scope names, whatever it asked for."""
    if subject.kind == "control":
        return frozenset({"pull", "push", "delete", "*"})
    if scope.type != "repository":
        return frozenset()
    if scope.name.startswith(BASE_IMAGES):
        return frozenset({"pull", "push"} if subject.kind == "base" else {"pull"})
    if subject.kind in ("deployment", "push") and scope.name == subject.repository:
        return frozenset({"pull", "push"})
    if subject.kind == "push" and subject.user_id is not None:
        folder, _, name = scope.name.rpartition("/")
        if folder == namespace and user_of_repository(name) == subject.user_id:
            return frozenset({"pull"})
    if subject.kind == "runtime" and scope.name.startswith(f"{namespace}/"):
        return frozenset({"pull"})
    return frozenset()


def granted(subject: Subject, scopes: Iterable[Scope], namespace: str) -> list[dict[str, Any]]:
    """The ``access`` claim: of each scope what was both asked for and permitted."""
    access = []
    for scope in scopes:
        actions = scope.actions & permitted(subject, scope, namespace)
        if actions:
            access.append({"type": scope.type, "name": scope.name, "actions": sorted(actions)})
    return access


def build_user(deployment_id: int) -> str:
    return f"deployment-{deployment_id}"


def push_user(deployment_id: int) -> str:
    return f"push-{deployment_id}"


class BuildPasswords:
    """Passwords of builds and pushes: signed and short-lived, so none has to be kept."""

    def __init__(self, key: bytes, seconds: float) -> None:
        self._key = HKDF(SHA256(), 32, None, b"studio registry build password").derive(key)
        self._seconds = seconds

    @classmethod
    def open(cls, settings: Settings) -> BuildPasswords:
        key = base64.b64decode(read_secret(settings, "encryption-key").get_secret_value())
        return cls(key, settings.build_seconds + PASSWORD_GRACE_SECONDS)

    def issue(self, user: str) -> str:
        expires = int(time.time() + self._seconds)
        return f"{expires}.{self._sign(user, expires)}"

    def good(self, user: str, password: str) -> bool:
        expires, _, signature = password.partition(".")
        if not re.fullmatch(r"[0-9]{1,12}", expires) or int(expires) < time.time():
            return False
        return hmac.compare_digest(self._sign(user, int(expires)).encode(), signature.encode())

    def _sign(self, user: str, expires: int) -> str:
        # A deployment's without its kind, as it was when there was no other: builds outlive an update.
        message = f"{user.removeprefix('deployment-')}.{expires}".encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


class RegistryIssuer:
    """Knows the standing users of the registry, and signs tokens that it accepts."""

    def __init__(
        self,
        key: ECKey,
        certificate: x509.Certificate,
        callers: Callers,
        control: SecretStr,
        namespace: str,
    ) -> None:
        self._key = key
        self._chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
        self._callers = callers
        self._control = control
        self._namespace = namespace

    @classmethod
    def open(cls, settings: Settings, callers: Callers) -> RegistryIssuer:
        key = read_secret(settings, "registry-key.pem").get_secret_value()
        certificate = read_secret(settings, "registry-cert.pem").get_secret_value()
        return cls(
            ECKey.import_key(key),
            x509.load_pem_x509_certificate(certificate.encode()),
            callers,
            read_secret(settings, "control-token"),
            settings.image_namespace,
        )

    def standing(self, user: str, password: str) -> Subject | None:
        """A user that is not a deployment's."""
        if user in ("control", "base") and same(password, self._control):
            return Subject(user, user)
        if user.startswith("node-"):
            node = self._callers.node(user.removeprefix("node-"), password)
            return Subject(user, node.role) if node else None
        return None

    def token(self, subject: Subject, scopes: Iterable[Scope]) -> dict[str, Any]:
        """The answer of the token endpoint."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": subject.name,
            "aud": SERVICE,
            "iat": now,
            "nbf": now - 10,
            "exp": now + TOKEN_SECONDS,
            "jti": uuid.uuid4().hex,
            "access": granted(subject, scopes, self._namespace),
        }
        header = {"alg": "ES256", "typ": "JWT", "x5c": self._chain}
        signed = jwt.encode(header, claims, self._key)
        return {
            "token": signed,
            "access_token": signed,
            "expires_in": TOKEN_SECONDS,
            "issued_at": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
