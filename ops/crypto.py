"""Encryption at rest: AES-256-GCM with the platform's key, each value bound to its place."""

from __future__ import annotations

import base64
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ops.settings import Settings, read_secret

NONCE_BYTES = 12


class Vault:
    """Encrypts and decrypts; ``context`` (``env/12/KEY``) must be the same for both.

    A value copied to another row of the database does not decrypt there.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def open(cls, settings: Settings) -> Vault:
        return cls(base64.b64decode(read_secret(settings, "encryption-key").get_secret_value()))

    @staticmethod
    def new_key() -> str:
        return base64.b64encode(AESGCM.generate_key(bit_length=256)).decode()

    def encrypt(self, value: str, context: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value.encode(), context.encode())

    def decrypt(self, data: bytes, context: str) -> str:
        """Raises ``cryptography.exceptions.InvalidTag`` when key or context are not the same."""
        return self._cipher.decrypt(
            data[:NONCE_BYTES], data[NONCE_BYTES:], context.encode()
        ).decode()


def env_context(app_id: int, key: str) -> str:
    return f"env/{app_id}/{key}"


def database_context(app_id: int) -> str:
    return f"database/{app_id}"


def workspace_key_context(user_id: int) -> str:
    return f"workspace-key/{user_id}"
