"""What people may call things. Pure functions: each returns the cleaned value or raises Invalid."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email

from ops.error_codes import ErrorCode
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

INSIDE_NAMES = frozenset({"localhost", "local", "internal", "localdomain", "lan", "home"})
"""Last parts of names that no public server has."""

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
        raise Invalid("the name is empty", code=ErrorCode.NAME_EMPTY, field="name")
    if len(cleaned) > NAME_LENGTH:
        raise Invalid(
            f"the name has {len(cleaned)} characters; up to {NAME_LENGTH} are possible",
            code=ErrorCode.NAME_TOO_LONG,
            values={"limit": NAME_LENGTH},
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
                code=ErrorCode.NAME_UNSHOWABLE,
                values={"character": f"U+{ord(character):04X}"},
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
            f"this is no branch, tag or commit: {why}",
            code=ErrorCode.REF_INVALID,
            field="ref",
            hint="for example: main",
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
            code=ErrorCode.ENV_KEY_INVALID,
            values={"limit": ENV_KEY_LENGTH},
            field="key",
            hint="letters, digits and _, not starting with a digit, up to 128 characters",
        )
    if key in PLATFORM_ENV:
        raise Invalid(
            f"{key} is set by the platform",
            code=ErrorCode.ENV_KEY_RESERVED,
            values={"key": key},
            field="key",
            hint="take another name for yours",
        )
    return key


def env_value(key: str, value: str) -> str:
    if "\x00" in value or len(value.encode(errors="surrogatepass")) > ENV_VALUE_BYTES:
        raise Invalid(
            f"the value of {key} is longer than {ENV_VALUE_BYTES // 1024} KB or holds a zero byte",
            code=ErrorCode.ENV_VALUE_TOO_LONG,
            values={"key": key, "limit": ENV_VALUE_BYTES // 1024},
            field=key,
            hint="keep large data in a file of the repository or in the database",
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid(
            f"the value of {key} is no valid text",
            code=ErrorCode.ENV_VALUE_UNREADABLE,
            values={"key": key},
            field=key,
        ) from None
    return value


def env_total(values: Mapping[str, str]) -> None:
    """A container's whole environment has a limit: the kernel refuses to start it beyond."""
    total = sum(len(key) + len(value.encode()) + 2 for key, value in values.items())
    if len(values) > ENV_COUNT or total > ENV_TOTAL_BYTES:
        raise Invalid(
            f"up to {ENV_COUNT} variables of {ENV_TOTAL_BYTES // 1024} KB in all are possible",
            code=ErrorCode.ENV_TOTAL,
            values={"count": ENV_COUNT, "limit": ENV_TOTAL_BYTES // 1024},
            field="env",
        )


def ssh_key(text: str) -> tuple[str, str]:
    """``(type base64, SHA256:fingerprint)`` of a public key in OpenSSH's form, its comment dropped."""
    parts = text.strip().split()
    if "PRIVATE" in text:
        raise Invalid(
            "this is a private key",
            code=ErrorCode.SSH_KEY_PRIVATE,
            field="public_key",
            hint="keep it to yourself; send the file that ends with .pub",
        )
    if len(parts) < 2 or parts[0] not in _KEY_TYPES or "\n" in text.strip():
        raise Invalid(
            "this is no SSH public key",
            code=ErrorCode.SSH_KEY_INVALID,
            field="public_key",
            hint="it looks like: ssh-ed25519 AAAA… you@laptop",
        )
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(
            "the SSH key is cut off or changed", code=ErrorCode.SSH_KEY_BROKEN, field="public_key"
        ) from None
    named = parts[0].encode()
    if blob[: 4 + len(named)] != len(named).to_bytes(4, "big") + named or len(blob) > 8192:
        raise Invalid(
            "the SSH key is cut off or changed", code=ErrorCode.SSH_KEY_BROKEN, field="public_key"
        )
    fingerprint = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"{parts[0]} {parts[1]}", f"SHA256:{fingerprint}"


def email(text: str) -> str:
    """An address by its form, in lower case: it is a name to sign in with, no mail is sent."""
    try:
        found = validate_email(
            text.strip(), check_deliverability=False, test_environment=True, allow_smtputf8=False
        )
    except EmailNotValidError as error:
        raise Invalid(
            "this is no email address", code=ErrorCode.EMAIL_INVALID, field="email", hint=str(error)
        ) from None
    return found.normalized.lower()


def import_url(text: str) -> str:
    """The address of a Git repository on a public server, as it may be imported from.

    Where its name leads to is looked at when it is fetched.
    """
    text = text.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Invalid(
            "this is no address", code=ErrorCode.IMPORT_ADDRESS, field="git_url"
        ) from None
    if parts.scheme != "https":
        raise Invalid(
            "only https:// addresses are imported",
            code=ErrorCode.IMPORT_NOT_HTTPS,
            field="git_url",
            hint="push what is elsewhere to the app's own repository",
        )
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise Invalid(
            "an address here holds no user or password",
            code=ErrorCode.IMPORT_CREDENTIALS,
            field="git_url",
            hint="only public repositories are imported; push a private one yourself",
        )
    host = parts.hostname or ""
    # urlsplit leaves out some control characters, wherever they stand.
    good = text.isascii() and text.isprintable()
    good = good and re.fullmatch(r"[A-Za-z0-9._-]{1,253}", host) is not None
    plain = re.fullmatch(r"[A-Za-z0-9._~%+/-]{2,400}", parts.path) is not None
    if not good or not plain or parts.query or parts.fragment or port == 0 or len(text) > 500:
        raise Invalid(
            "this is no address of a Git repository",
            code=ErrorCode.IMPORT_ADDRESS,
            field="git_url",
            hint="it looks like https://git.example.org/ada/shop.git",
        )
    if host.rpartition(".")[2].lower() in INSIDE_NAMES or _is_inside(host):
        raise Invalid(
            f"{host} is not on the public internet",
            code=ErrorCode.IMPORT_INSIDE,
            values={"host": host[:100]},
            field="git_url",
        )
    return text


def _is_inside(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False
