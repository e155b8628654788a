"""Import of repositories: which addresses are taken, and what fetches them."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from activities import import_spec as spec
from activities.contracts.imports import ImportInput
from ops.errors import Invalid, NodeUnavailable
from ops.settings import Settings
from ops.validation import import_url

SETTINGS = Settings(home=Path("/srv/studio"), name_prefix="dev-")
GIVEN = ImportInput(
    app_id=9, user_id=7, git_url="https://git.example.org:8443/ada/shop", repository="u7-app9"
)


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.org/ada/shop.git",
        "https://git.example.org:8443/ada/shop",
        " https://8.8.8.8/~ada/shop+more%20.git ",
    ],
)
def test_public_addresses_are_taken(url: str) -> None:
    assert import_url(url) == url.strip()


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc",
        "/etc",
        "ext::sh -c reboot",
        "ssh://git@example.org/x",
        "git@example.org:ada/shop.git",
        "git://example.org/x",
        "http://example.org/x",
        "https://ada:secret@example.org/x",
        "https://@example.org/x",
        "https://127.0.0.1/x",
        "https://10.1.2.3/x",
        "https://172.28.255.1:4873/x",
        "https://169.254.169.254/x",
        "https://[::1]/x",
        "https://localhost/x",
        "https://git.studio.localhost/x",
        "https://example.org",
        "https://example.org/",
        "https://example.org/x?y",
        "https://example.org/x#y",
        "https://example.org:0/x",
        "https://example.org:99999/x",
        "https://example.org/x y",
        "https://example.org/x\0",
        "https://exa$mple.org/x",
        "--upload-pack=reboot",
        "https:///x",
        "",
    ],
)
def test_all_others_are_refused(url: str) -> None:
    with pytest.raises(Invalid):
        import_url(url)


@pytest.mark.parametrize(
    "addresses",
    [
        [],
        ["127.0.0.1"],
        ["8.8.8.8", "10.0.0.1"],
        ["::1"],
        ["8.8.8.8", "fe80::1"],
        ["::ffff:10.0.0.1"],
        ["224.0.0.1"],
    ],
)
def test_a_name_that_leads_inside_is_refused(addresses: list[str]) -> None:
    with pytest.raises(Invalid):
        spec.public_address(addresses, "git.example.org")
    assert spec.public_address(["2606:4700::1", "8.8.8.8"], "x") == IPv4Address("8.8.8.8")


def test_the_whole_container() -> None:
    node = SETTINGS.node("workspace-87")
    made = spec.import_spec(
        SETTINGS,
        node,
        GIVEN,
        image_id="sha256:abc",
        agent=Path("/srv/agents/u-9"),
        place=1,
        address=IPv4Address("8.8.8.8"),
    )
    assert (made.name, made.user, made.environment) == ("dev-import-9", "1000:1000", {})
    assert node.slot_address(999) < IPv4Address(made.address)
    assert IPv4Address(made.address) in (node.subnet or ())
    assert made.command[:5] == ["timeout", "--kill-after=2", "120", "sh", "-c"]
    assert made.command[6:] == [
        "import",
        "https://git.example.org:8443/ada/shop",
        "git.example.org:8443:8.8.8.8",
        "ssh://git@172.28.255.1:2222/studio/u7-app9.git",
        "60",
        "",
    ]
    host = made.host_config()
    assert host["binds"] == [
        "/srv/agents/u-9:/run/studio:ro",
        "/srv/studio/etc/workspace:/etc/studio:ro",
    ]
    assert host["tmpfs"] == {"/import": "size=500m,uid=1000,gid=1000,mode=700"}
    assert host["read_only"]
    assert host["cap_drop"] == ["ALL"]
    assert host["oom_score_adj"] == 800
    # What a stranger names is an argument of its own, never a part of the script.
    assert "example.org" not in made.command[5]


def test_what_went_wrong_is_said_in_words() -> None:
    assert "500 MB" in spec.explained(SETTINGS, spec.TOO_LARGE, []).what
    assert "60 s" in spec.explained(SETTINGS, spec.TOO_SLOW, []).what
    assert spec.explained(SETTINGS, spec.EMPTY, []).what == "the repository is empty"
    assert spec.explained(SETTINGS, spec.FETCH, ["a", "fatal: no"]).hint == "fatal: no"
    assert isinstance(spec.explained(SETTINGS, -1, []), NodeUnavailable)
