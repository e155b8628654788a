"""Names, refs, variables and keys that people type."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops import validation
from ops.errors import Invalid

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti"


@given(st.text())
def test_a_slug_is_always_a_dns_label(name: str) -> None:
    slug = validation.slug_for(name)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", slug)
    assert validation.is_slug(slug)
    assert "--" not in slug


@given(st.text(), st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=4, max_size=8))
def test_candidates_are_labels_and_never_reserved(name: str, suffix: str) -> None:
    candidates = validation.slug_candidates(name, suffix)
    assert candidates[-1].endswith(f"-{suffix}")
    for slug in candidates:
        assert validation.is_slug(slug)
        assert len(slug) <= validation.SLUG_LENGTH
        assert slug not in validation.RESERVED_SLUGS


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Shop", "my-shop"),
        ("Ünïcode & Söhne", "unicode-sohne"),
        ("🚀🚀", "app"),
        ("../../etc/passwd", "etc-passwd"),
        ("xn--80ak6aa92e", "xn-80ak6aa92e"),
        ("'; drop table apps; --", "drop-table-apps"),
        ("我的应用", "app"),
    ],
)
def test_slugs_of_names(name: str, slug: str) -> None:
    assert validation.slug_for(name) == slug


@pytest.mark.parametrize("name", ["www", "API", "admin", "Studio"])
def test_a_reserved_name_gets_a_suffix(name: str) -> None:
    assert validation.slug_candidates(name, "a1b2") == [f"{name.lower()}-a1b2"]


@given(st.text(max_size=150))
def test_a_name_is_kept_or_refused(name: str) -> None:
    try:
        kept = validation.app_name(name)
    except Invalid:
        return
    assert 1 <= len(kept) <= 100
    assert not set(kept) & set("\x00\n\r\t\x1b\u202e\u2028")
    assert validation.app_name(kept) == kept


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x00b", "a\nb", "a\u202eb", "a\ud800"])
def test_names_refused(name: str) -> None:
    with pytest.raises(Invalid):
        validation.app_name(name)


@pytest.mark.parametrize(
    "name", ['a "quoted" name', "a/b", "a.b", "👩‍💻 lab", "日本語", "<b>x</b>"]
)
def test_names_taken(name: str) -> None:
    assert validation.app_name(name) == name


@pytest.mark.parametrize(
    "ref", ["main", "feature/x", "v1.2.3", "a" * 40, "refs/heads/main", "日本", "a-b", "@x"]
)
def test_refs_taken(ref: str) -> None:
    assert validation.git_ref(ref) == ref


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "--upload-pack=touch /tmp/x",
        "-x",
        "a..b",
        "a b",
        "a\nb",
        "a\x00b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\b",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.lock",
        "a.",
        "@",
        "a@{1}",
        "x" * 256,
        "é" * 128,
        "a\ud800",
        "a\u202e",
    ],
)
def test_refs_refused(ref: str) -> None:
    with pytest.raises(Invalid):
        validation.git_ref(ref)


@given(st.text())
def test_no_ref_taken_can_be_an_option_or_leave_its_folder(ref: str) -> None:
    try:
        taken = validation.git_ref(ref)
    except Invalid:
        return
    assert not taken.startswith(("-", "/", "."))
    assert ".." not in taken
    assert not set(taken) & set(" \t\n\x00\\:")


@given(st.text(string.ascii_letters + "_", min_size=1, max_size=1), st.text("aZ_09", max_size=50))
def test_identifiers_are_env_keys(first: str, rest: str) -> None:
    assert validation.env_key(first + rest) == first + rest


@pytest.mark.parametrize(
    "key", ["", "1A", "A-B", "A B", "A=B", "É", "A" * 129, "PORT", "MONGODB_URI", "A\n", "A\x00"]
)
def test_env_keys_refused(key: str) -> None:
    with pytest.raises(Invalid):
        validation.env_key(key)


def test_env_values_have_limits() -> None:
    assert validation.env_value("A", "x" * 32768) == "x" * 32768
    for value in ("x" * 1_000_000, "a\x00b", "\ud800"):
        with pytest.raises(Invalid):
            validation.env_value("A", value)
    with pytest.raises(Invalid):
        validation.env_total({f"K{n}": "x" * 30_000 for n in range(5)})
    with pytest.raises(Invalid):
        validation.env_total({f"K{n}": "" for n in range(101)})


def test_ssh_keys() -> None:
    kept, fingerprint = validation.ssh_key(f"{KEY} me@laptop\n")
    assert kept == KEY
    assert fingerprint.startswith("SHA256:")
    assert len(fingerprint) == 7 + 43


@pytest.mark.parametrize(
    "key",
    [
        "",
        "hello",
        "ssh-dss AAAA",
        "ssh-ed25519 !!!",
        KEY.replace("ssh-ed25519", "ssh-rsa"),
        'command="sh" ' + KEY,
        KEY + "\n" + KEY,
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_ssh_keys_refused(key: str) -> None:
    with pytest.raises(Invalid):
        validation.ssh_key(key)
