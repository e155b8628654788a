"""Tokens that say who asks: of sessions, and for scripts. Only the hash of one is ever kept."""

from __future__ import annotations

import hashlib
import secrets

TOKEN_PREFIX = "st_"  # noqa: S105  # it says what kind of secret follows


def new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
