"""A workspace's container: the whole of it, and who it can be tricked into being."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from activities import workspace_spec as ws
from activities.contracts.workspace import EnsureWorkspaceInput
from ops.settings import Settings

SETTINGS = Settings(home=Path("/srv/studio"), name_prefix="dev-", workspace_slots=50)
NODE = SETTINGS.node("workspace-87")


def spec(
    user_id: int = 7,
    slot: int = 3,
    *,
    dev_mongo: bool = False,
    image_id: str = "sha256:abc",
    vscode: bool = True,
) -> ws.WorkspaceSpec:
    return ws.workspace_spec(
        SETTINGS,
        NODE,
        EnsureWorkspaceInput(user_id=user_id, slot=slot, dev_mongo=dev_mongo),
        image_id=image_id,
        disk=Path(f"/srv/disks/u-{user_id}"),
        agent=Path(f"/srv/agents/u-{user_id}"),
        mongo_server=Path("/opt/ferretdb"),
        code_server=Path("/opt/code-server") if vscode else None,
    )


def test_the_whole_container() -> None:
    made = spec()
    assert made.name == "dev-ws-u-7"
    assert made.user == "1000:1000"
    assert made.address == "172.28.64.13"
    assert made.network == "studio-ws1"
    assert made.environment == {}
    assert made.command == ["sleep", "infinity"]
    assert made.labels == {
        "studio.platform": "studio",
        "studio.node": "workspace-87",
        "studio.kind": "workspace",
        "studio.user": "7",
        "studio.mongo": "off",
    }
    assert made.host_config() == {
        "init": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": 2048 * 1024 * 1024,
        "memswap_limit": 2048 * 1024 * 1024,
        "nano_cpus": 1_000_000_000,
        "pids_limit": 512,
        "oom_score_adj": 800,
        "network_mode": "studio-ws1",
        "restart_policy": {"Name": "no"},
        "log_config": {"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}},
        "sysctls": {"net.ipv6.conf.all.disable_ipv6": "1"},
        "ulimits": [{"Name": "nofile", "Soft": 8192, "Hard": 8192}],
        "binds": [
            "/srv/disks/u-7:/workspace",
            "/srv/agents/u-7:/run/studio:ro",
            "/srv/studio/etc/workspace:/etc/studio:ro",
            "/opt/code-server:/opt/studio/code-server:ro",
        ],
    }


def test_what_is_not_installed_is_not_mounted() -> None:
    made = spec(vscode=False)
    assert not any("code-server" in bind for bind in made.binds)
    assert ws.must_be_replaced(made.all_labels(), False, spec())


def test_two_users_share_neither_address_nor_folder() -> None:
    one, other = spec(1, 0), spec(2, 1)
    assert one.address != other.address
    shared = set(one.binds) & set(other.binds)
    assert shared == {
        "/srv/studio/etc/workspace:/etc/studio:ro",
        "/opt/code-server:/opt/studio/code-server:ro",
    }


@pytest.mark.parametrize("slot", [-1, 50, 4096])
def test_no_slot_leads_out_of_the_nodes_addresses(slot: int) -> None:
    with pytest.raises(ValueError, match="slot"):
        spec(slot=slot)


def test_every_slot_is_an_address_of_the_node() -> None:
    settings = Settings(workspace_slots=1000, workspaces=4)
    for node in settings.nodes:
        if node.role == "workspace":
            assert node.subnet is not None
            addresses = {node.slot_address(slot) for slot in range(settings.workspace_slots)}
            assert len(addresses) == 1000
            assert all(address in node.subnet for address in addresses)


def test_a_runtime_node_holds_no_workspace() -> None:
    with pytest.raises(ValueError, match="holds no workspaces"):
        ws.workspace_spec(
            SETTINGS,
            SETTINGS.node("runtime-102"),
            EnsureWorkspaceInput(user_id=1, slot=0),
            image_id="x",
            disk=Path("/d"),
            agent=Path("/a"),
            mongo_server=Path("/m"),
            code_server=None,
        )


def test_the_development_database_is_the_containers_own() -> None:
    made = spec(dev_mongo=True)
    assert made.environment["MONGODB_URI"].get_secret_value() == "mongodb://127.0.0.1:27017/dev"
    assert "/opt/ferretdb:/opt/studio/mongo-server:ro" in made.binds
    assert made.command[:2] == ["sh", "-c"]
    assert "-listen 127.0.0.1:27017" in made.command[2]
    subprocess.run(["sh", "-n", "-c", made.command[2]], check=True)


def test_a_running_container_gives_way_only_to_its_users_wish() -> None:
    here = spec().all_labels()
    assert not ws.must_be_replaced(here, True, spec())
    assert not ws.must_be_replaced(here, False, spec())
    newer = spec(image_id="sha256:newer")
    assert not ws.must_be_replaced(here, True, newer)
    assert ws.must_be_replaced(here, False, newer)
    assert ws.must_be_replaced(here, True, spec(dev_mongo=True))
    assert ws.must_be_replaced({}, False, spec())


@examples(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_git_reads_back_the_address_whatever_it_holds(text: str) -> None:
    printable = "".join(character for character in text if character.isprintable())
    config = ws.git_identity(text)
    assert config.count("\n") == 3
    # As git reads a quoted value.
    value = config.splitlines()[2].removeprefix("\temail = ")
    assert value[0] == value[-1] == '"'
    assert value[1:-1].replace('\\"', '"').replace("\\\\", "\\") == printable or "\\" in printable


@pytest.mark.parametrize(
    "email", ["ann@example.com", 'a"b\\c@x.example', "a;b#c@x.example", "李@例子.测试"]
)
def test_git_itself_reads_back_the_address(tmp_path: Path, email: str) -> None:
    config = tmp_path / "config"
    config.write_text(ws.git_identity(email))
    read = subprocess.run(
        ["git", "config", "--file", config, "user.email"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert read.stdout == email + "\n"


def test_no_address_smuggles_in_another_setting() -> None:
    config = ws.git_identity('x"\n[core]\n\tfsmonitor = "touch /tmp/x')
    assert config.splitlines()[0] == "[user]"
    assert len(config.splitlines()) == 3
