"""User code is hostile: what it reaches from inside its container, and what it does not."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
import psutil
import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from ops.names import app_database
from tests.support.platform import Platform
from tests.support.prober import Probe, Target, connects, looking_build, seen_by_build
from tests.support.user import User

METADATA = ("169.254.169.254", "169.254.170.2", "100.100.100.200")
ELSEWHERE = (22, 53, 80, 443, 2375, 2376)
"""Ports of a host that are not the platform's."""


def platform_ports(platform: Platform) -> set[int]:
    settings = platform.settings
    ports = set(settings.ports.model_dump().values())
    for node in settings.nodes:
        ports |= {node.metrics_port, node.agent_port, node.gateway_port, node.gateway_metrics_port}
    return {port for port in ports if port}


def host_addresses(family: socket.AddressFamily) -> set[str]:
    return {
        found.address
        for link in psutil.net_if_addrs().values()
        for found in link
        if found.family == family
    }


async def forbidden_targets(platform: Platform, other: Probe) -> set[Target]:
    """Every port of the platform at every address of this host, another user's app, metadata."""
    settings = platform.settings
    hosts = host_addresses(socket.AF_INET) - {"127.0.0.1"}
    everything = platform_ports(platform) | set(ELSEWHERE)
    targets: set[Target] = {(host, port) for host in hosts for port in everything}
    targets |= {(address, 80) for address in METADATA} | {(other.address, 3000)}
    # They are there: seen from the host itself they answer.
    service = str(settings.service_address)
    there = {
        (service, settings.ports.registry),
        (service, settings.ports.deploy_control),
        (str(settings.build_gateway), settings.ports.public),
        (other.address, 3000),
    }
    there |= {
        (str(node.subnet.network_address + 1), settings.ports.public)
        for node in settings.nodes
        if node.subnet
    }
    assert there <= targets
    assert all([await connects(target) for target in there])
    return targets


def answered(seen: dict[Target, str]) -> set[Target]:
    """Refused is as bad as connected: the packet came through."""
    return {target for target, what in seen.items() if what in ("connected", "ECONNREFUSED")}


async def test_an_app_reaches_its_database_and_nothing_else_of_the_platform(
    platform: Platform, probes: tuple[Probe, Probe]
) -> None:
    own, other = probes
    seen = await own.look(await forbidden_targets(platform, other))
    mongo = (str(platform.settings.service_address), platform.settings.ports.mongo)
    assert answered(seen) == {mongo}
    assert seen[mongo] == "connected"


async def test_a_build_step_reaches_packages_and_nothing_else_of_the_platform(
    platform: Platform, probes: tuple[Probe, Probe], user: User
) -> None:
    targets = await forbidden_targets(platform, probes[0])
    app = await user.app(looking_build(targets))
    ended = await app.deployed()
    assert ended["error"]["stage"] == "build", ended
    looked, seen = seen_by_build(await app.log(ended["id"]))
    assert looked == len(targets)
    settings = platform.settings
    assert answered(seen) == {(str(settings.service_address), settings.ports.verdaccio)}


async def test_an_apps_loopback_is_its_own(platform: Platform, probes: tuple[Probe, Probe]) -> None:
    seen = await probes[0].look(
        (host, port)
        for host in ("127.0.0.1", "::1")
        for port in platform_ports(platform) | {3000, 2375}
    )
    connected = {target for target, what in seen.items() if what == "connected"}
    assert connected <= {("127.0.0.1", 3000), ("::1", 3000)}


async def test_an_app_has_no_ipv6(platform: Platform, probes: tuple[Probe, Probe]) -> None:
    addresses = host_addresses(socket.AF_INET6)
    hosts = {address.partition("%")[0] for address in addresses} - {"::1"}
    public = platform.settings.ports.public
    seen = await probes[0].look(
        (host, public)
        for host in hosts | {f"{host}%eth0" for host in hosts if host.startswith("fe80")}
    )
    assert "connected" not in seen.values()
    assert "ECONNREFUSED" not in seen.values()
    interfaces = (await probes[0].about())["interfaces"]
    families = {found["family"] for link in interfaces.values() for found in link}
    assert families == {"IPv4"}


def test_an_app_runs_without_rights_and_under_limits(probes: tuple[Probe, Probe]) -> None:
    found = probes[0].container
    host = found["HostConfig"]
    assert found["Config"]["User"] == "1000:1000"
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Memory"] == host["MemorySwap"] > 0
    assert host["NanoCpus"] > 0
    assert host["PidsLimit"] > 0
    assert not host["Binds"]
    assert not found["Mounts"]
    assert not any(found["NetworkSettings"]["Ports"].values())
    assert (host["PidMode"], host["IpcMode"], host["UTSMode"]) == ("", "private", "")


async def test_an_app_that_fills_the_disk_starts_anew_without_what_it_wrote(
    platform: Platform, probes: tuple[Probe, Probe]
) -> None:
    probe = probes[1]
    before = probe.container["Id"]
    await probe.fill(platform.settings.app_disk_mb + 16)
    async with asyncio.timeout(60):
        while True:
            try:
                about = await probe.about()
                if not about["filled"]:
                    break
            except (httpx.HTTPError, ValueError):
                pass
            await asyncio.sleep(0.5)
    assert probe.container["Id"] != before
    log = platform.settings.data / "control" / "logs" / f"{probe.release_id}.jsonl"
    assert "to its container's own disk" in log.read_text()


async def database(probe: Probe) -> AsyncMongoClient[dict[str, Any]]:
    uri = (await probe.about())["database"]
    return AsyncMongoClient(uri, serverSelectionTimeoutMS=5000)


async def test_an_apps_credentials_open_its_own_database_only(
    probes: tuple[Probe, Probe],
) -> None:
    own, other = (app_database(probe.app_id) for probe in probes)
    async with await database(probes[1]) as client:
        await client[other]["recipes"].insert_one({"secret": "sauce"})
        await client[other]["recipes"].create_index("secret")
    async with await database(probes[0]) as client:
        await client[own]["notes"].insert_one({"text": "mine"})
        assert await client.list_database_names() == [own]
        theirs = client[other]
        for foreign in (
            lambda: theirs["recipes"].find_one(),
            lambda: theirs["recipes"].insert_one({"text": "not mine"}),
            lambda: theirs["recipes"].drop(),
            lambda: theirs.list_collection_names(),
            lambda: theirs["recipes"].index_information(),
            lambda: theirs.command("collStats", "recipes"),
            lambda: theirs.command("dbStats"),
            lambda: client.drop_database(other),
            lambda: client["another"]["notes"].insert_one({"text": "a database of no one"}),
            lambda: client["public"]["notes"].insert_one({"text": "everybody's"}),
        ):
            with pytest.raises(OperationFailure):
                await foreign()
    async with await database(probes[1]) as client:
        assert await client[other]["recipes"].count_documents({}) >= 1


async def test_without_credentials_the_database_server_tells_nothing(
    platform: Platform, probes: tuple[Probe, Probe]
) -> None:
    uri = str((await probes[0].about())["database"])
    name = app_database(probes[0].app_id)
    address = f"{platform.settings.service_address}:{platform.settings.ports.mongo}"
    for guess in (
        f"mongodb://{address}/",
        f"mongodb://postgres:postgres@{address}/?authMechanism=PLAIN&authSource=$external",
        uri.replace(uri.split(":")[2].partition("@")[0], "guessed"),
    ):
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            guess, serverSelectionTimeoutMS=3000
        )
        async with client:
            with pytest.raises(PyMongoError):
                await client.list_database_names()
            with pytest.raises(PyMongoError):
                await client[name].list_collection_names()


async def test_after_a_restart_every_app_finds_its_own_data(
    platform: Platform, probes: tuple[Probe, Probe]
) -> None:
    """Whoever comes first after it: what one app may see is not all that there is."""
    for probe in probes:
        async with await database(probe) as client:
            await client.get_default_database()["kept"].insert_one({"still": "here"})
    killed = platform.kill("mongo")
    async with asyncio.timeout(20):
        while platform.pid("mongo") in (0, killed) or not await connects(
            (str(platform.settings.service_address), platform.settings.ports.mongo)
        ):
            await asyncio.sleep(0.1)
    for probe in probes:
        async with await database(probe) as client:
            kept = client.get_default_database()["kept"]
            assert await kept.count_documents({}) >= 1, probe
            await kept.insert_one({"and": "goes on"})
