"""What people may call things. Pure functions: each returns the cleaned value or raises Invalid."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Mapping

from email_validator import EmailNotValidError, validate_email

from ops.errors import Invalid

NAME_LENGTH = 100
SLUG_LENGTH = 40
REF_LENGTH = 255
ENV_KEY_LENGTH = 128
ENV_VALUE_BYTES = 32 * 1024
ENV_TOTAL_BYTES = 128 * 1024
ENV_COUNT = 100

_RESERVED = """
about account admin api app apps assets auth blog cdn code console dashboard docs git help internal
localhost login mail metrics mongo node ns preview previews registry root smtp ssh static status
studio support test traefik u user users workspace workspaces ws www
"""
RESERVED_SLUGS = frozenset(_RESERVED.split())
"""Names that a person could take for the platform's own."""

PLATFORM_ENV = frozenset({"PORT", "BASE_PATH", "PUBLIC_URL", "MONGODB_URI"})
"""What the platform sets itself."""

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_ENV_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REF_BAD = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]")
_KEY_TYPES = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)


def app_name(name: str) -> str:
    """1 to 100 characters of any script; no control characters, no invisible ones."""
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise Invalid("the name is empty", field="name")
    if len(cleaned) > NAME_LENGTH:
        raise Invalid(
            f"the name has {len(cleaned)} characters; up to {NAME_LENGTH} are possible",
            field="name",
        )
    for character in cleaned:
        # Cf holds what turns the direction of text around; joiners are part of emoji and scripts.
        kind = unicodedata.category(character)
        if kind in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") or (
            kind == "Cf" and character not in "\u200c\u200d"
        ):
            raise Invalid(
                f"the name holds the character U+{ord(character):04X}, which cannot be shown",
                field="name",
            )
    return cleaned


def slug_for(name: str) -> str:
    """A DNS label made of a name. It may be taken or reserved: see :func:`slug_candidates`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:SLUG_LENGTH].strip("-")
    # "xn--…" and the like are read as encoded names by browsers.
    return re.sub(r"-{2,}", "-", slug) or "app"


def slug_candidates(name: str, suffix: str) -> list[str]:
    """What to try in this order: the plain slug, unless it is reserved, then one with ``suffix``."""
    slug = slug_for(name)
    room = SLUG_LENGTH - len(suffix) - 1
    with_suffix = f"{slug[:room].rstrip('-')}-{suffix}"
    return [with_suffix] if slug in RESERVED_SLUGS else [slug, with_suffix]


def is_slug(text: str) -> bool:
    return len(text) <= 63 and _SLUG.fullmatch(text) is not None


def git_ref(ref: str) -> str:
    """A branch, tag or commit by git's own rules for names, and never one that looks like an option."""

    def refuse(why: str) -> Invalid:
        return Invalid(
            f"this is no branch, tag or commit: {why}", field="ref", hint="for example: main"
        )

    if not ref:
        raise refuse("it is empty")
    if len(ref.encode(errors="surrogatepass")) > REF_LENGTH:
        raise refuse(f"it is longer than {REF_LENGTH} bytes")
    if ref.startswith("-"):
        raise refuse("it starts with a dash")
    if _REF_BAD.search(ref) or not ref.isprintable():
        raise refuse("it holds a character that git does not allow")
    if ".." in ref or "@{" in ref or ref == "@":
        raise refuse("it holds '..' or '@{'")
    if ref.endswith("."):
        raise refuse("it ends with a dot")
    for part in ref.split("/"):
        if not part or part.startswith(".") or part.endswith(".lock"):
            raise refuse("a part of it is empty, starts with a dot or ends with '.lock'")
    return ref


def env_key(key: str) -> str:
    if len(key) > ENV_KEY_LENGTH or _ENV_KEY.fullmatch(key) is None:
        raise Invalid(
            f"{key[:40]!r} cannot be a variable's name",
            field="key",
            hint="letters, digits and _, not starting with a digit, up to 128 characters",
        )
    if key in PLATFORM_ENV:
        raise Invalid(
            f"{key} is set by the platform", field="key", hint="take another name for yours"
        )
    return key


def env_value(key: str, value: str) -> str:
    if "\x00" in value or len(value.encode(errors="surrogatepass")) > ENV_VALUE_BYTES:
        raise Invalid(
            f"the value of {key} is longer than {ENV_VALUE_BYTES // 1024} KB or holds a zero byte",
            field="value",
            hint="keep large data in a file of the repository or in the database",
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid(f"the value of {key} is no valid text", field="value") from None
    return value


def env_total(values: Mapping[str, str]) -> None:
    """A container's whole environment has a limit: the kernel refuses to start it beyond."""
    total = sum(len(key) + len(value.encode()) + 2 for key, value in values.items())
    if len(values) > ENV_COUNT or total > ENV_TOTAL_BYTES:
        raise Invalid(
            f"up to {ENV_COUNT} variables of {ENV_TOTAL_BYTES // 1024} KB in all are possible",
            field="env",
        )


def ssh_key(text: str) -> tuple[str, str]:
    """``(type base64, SHA256:fingerprint)`` of a public key in OpenSSH's form, its comment dropped."""
    parts = text.strip().split()
    if "PRIVATE" in text:
        raise Invalid(
            "this is a private key",
            field="public_key",
            hint="keep it to yourself; send the file that ends with .pub",
        )
    if len(parts) < 2 or parts[0] not in _KEY_TYPES or "\n" in text.strip():
        raise Invalid(
            "this is no SSH public key",
            field="public_key",
            hint="it looks like: ssh-ed25519 AAAA… you@laptop",
        )
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("the SSH key is cut off or changed", field="public_key") from None
    named = parts[0].encode()
    if blob[: 4 + len(named)] != len(named).to_bytes(4, "big") + named or len(blob) > 8192:
        raise Invalid("the SSH key is cut off or changed", field="public_key")
    fingerprint = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"{parts[0]} {parts[1]}", f"SHA256:{fingerprint}"


def email(text: str) -> str:
    """An address by its form, in lower case: it is a name to sign in with, no mail is sent."""
    try:
        found = validate_email(
            text.strip(), check_deliverability=False, test_environment=True, allow_smtputf8=False
        )
    except EmailNotValidError as error:
        raise Invalid("this is no email address", field="email", hint=str(error)) from None
    return found.normalized.lower()
