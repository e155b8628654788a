"""Route files: what is written is what is read, whatever else lies in the folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from activities.contracts.runtime import RouteRef, RouteTarget, SwitchInput
from activities.routes import Routes, parse, render
from ops.settings import Settings

TARGETS = st.builds(
    RouteTarget,
    release_id=st.integers(min_value=1, max_value=2**53),
    address=st.ip_addresses(v=4).map(str),
    port=st.integers(min_value=1, max_value=65535),
)


@given(app_id=st.integers(min_value=1, max_value=10**9), target=TARGETS)
def test_a_route_file_says_what_was_written(app_id: int, target: RouteTarget) -> None:
    text = yaml.safe_dump(render(app_id, "shop.apps.localhost", target))
    assert parse(yaml.safe_load(text)) == target


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_a_foreign_file_is_no_route(document: object) -> None:
    assert parse(document) is None


def routes(tmp_path: Path) -> Routes:
    return Routes(Settings(home=tmp_path), "runtime-102")


async def test_switch_is_idempotent_and_leaves_no_draft(tmp_path: Path) -> None:
    target = RouteTarget(release_id=7, address="172.28.0.10", port=3000)
    own = routes(tmp_path)
    for _ in range(2):
        await own.switch_route(SwitchInput(app_id=3, slug="shop", target=target))
    folder = tmp_path / "data" / "nodes" / "runtime-102" / "routes"
    assert [path.name for path in folder.iterdir()] == ["app-3.yml"]
    assert own.current(3) == target
    for _ in range(2):
        await own.switch_route(SwitchInput(app_id=3, slug="shop", target=None))
    assert own.current(3) is None


async def test_the_gateway_sees_no_draft_and_a_removal_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = routes(tmp_path)
    folder = tmp_path / "data" / "nodes" / "runtime-102" / "routes"

    def killed(_: int) -> None:
        assert list(folder.iterdir()) == [], "Traefik looks at whatever is new here"
        raise InterruptedError

    monkeypatch.setattr("activities.routes.os.fsync", killed)
    with pytest.raises(InterruptedError):
        own.write(3, "shop", RouteTarget(release_id=7, address="172.28.0.10", port=3000))
    assert [path.name for path in folder.parent.iterdir() if path.is_file()] == ["app-3.route"]
    await own.remove_route(RouteRef(app_id=3))
    assert list(folder.parent.iterdir()) == [folder]


def test_a_damaged_file_is_seen_as_a_route_to_nowhere(tmp_path: Path) -> None:
    own = routes(tmp_path)
    folder = tmp_path / "data" / "nodes" / "runtime-102" / "routes"
    (folder / "app-4.yml").write_text("http: [")
    (folder / "notes.txt").write_text("not a route")
    (seen,) = own.all()
    assert seen.app_id == 4
    assert seen.target is None
