"""The whole container of an app as a value: what user code may and may not."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from activities.container_spec import app_spec, free_address, safe_user
from activities.contracts.base import Release
from activities.contracts.runtime import StartInput
from ops.settings import Settings

SETTINGS = Settings()
START = StartInput(
    deployment_id=7,
    release_id=7,
    app_id=3,
    user_id=2,
    container="app-3-7",
    release=Release(repository="u2-app3", digest="sha256:abc", commit="c" * 40),
)


def test_the_whole_spec() -> None:
    spec = app_spec(
        SETTINGS,
        SETTINGS.node("runtime-102"),
        START,
        address="172.28.0.10",
        image_user="root",
        environment={"SECRET": SecretStr("hush")},
    )
    assert spec.name == "app-3-7"
    assert spec.image == "172.28.255.1:5000/apps/u2-app3@sha256:abc"
    assert spec.user == "1000:1000"
    assert spec.network == "studio-rt1"
    assert spec.labels == {
        "studio.platform": "studio",
        "studio.node": "runtime-102",
        "studio.kind": "app",
        "studio.app": "3",
        "studio.release": "7",
        "studio.user": "2",
    }
    assert "hush" not in repr(spec)
    assert spec.host_config() == {
        "init": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": 512 * 1024 * 1024,
        "memswap_limit": 512 * 1024 * 1024,
        "nano_cpus": 1_000_000_000,
        "pids_limit": 256,
        "oom_score_adj": 800,
        "network_mode": "studio-rt1",
        "restart_policy": {"Name": "no"},
        "log_config": {"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}},
        "sysctls": {"net.ipv6.conf.all.disable_ipv6": "1"},
        "ulimits": [{"Name": "nofile", "Soft": 8192, "Hard": 8192}],
    }


@pytest.mark.parametrize("user", [None, "", "root", "0", "0:0", "toor", "-1", "1000:root", "65534"])
def test_an_image_cannot_choose_to_be_root(user: str | None) -> None:
    assert safe_user(user) == "1000:1000"


@pytest.mark.parametrize("user", ["1000", "1001:1001", "33:33"])
def test_an_image_may_choose_another_number(user: str) -> None:
    assert safe_user(user) == user


@given(st.sets(st.integers(min_value=10, max_value=40)))
def test_the_lowest_free_address_is_given(used: set[int]) -> None:
    subnet = IPv4Network("172.28.0.0/26")
    address = free_address(subnet, [f"172.28.0.{number}" for number in used])
    number = int(address.rpartition(".")[2])
    assert number not in used
    assert all(other in used for other in range(10, number))


def test_a_full_subnet_is_an_error() -> None:
    with pytest.raises(LookupError):
        free_address(IPv4Network("172.28.0.0/28"), [f"172.28.0.{n}" for n in range(16)])
