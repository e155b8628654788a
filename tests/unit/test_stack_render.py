"""Configuration files: values cannot break out, and each format reads back what was meant."""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import zlib
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ops.settings import Settings
from ops.stack import (
    files,
    git_hooks,
    nginx,
    own_programs,
    programs,
    render,
    supervisor,
    workspace_files,
    workspace_programs,
)
from ops.stack.npm_tools import NodeServer
from ops.stack.render import UnsafeValue
from workflows import policies

NASTY = [
    "a\nb",
    "a;b",
    'a"b',
    "a'b",
    "a`b",
    "a$b",
    "a{b}",
    "a b",
    "a#b",
    "%(x)s",
    "\\",
    "a\x00",
]


@pytest.mark.parametrize("value", NASTY)
def test_plain_refuses_whatever_could_mean_something(value: str) -> None:
    if value == "%(x)s" or re.search(r"[^A-Za-z0-9_./:@,+=~%-]", value):
        with pytest.raises(UnsafeValue):
            render.plain(value)


@pytest.mark.parametrize("filter_name", ["plain", "ini", "nginx", "sql_config", "pattern"])
def test_no_filter_lets_a_new_line_through(filter_name: str) -> None:
    with pytest.raises(UnsafeValue):
        getattr(render, filter_name)("harmless\nlisten 0.0.0.0;")


@given(st.text())
def test_yaml_reads_back_what_was_written(value: str) -> None:
    assert yaml.safe_load(render.yaml(value)) == value


@given(st.text(alphabet=st.characters(exclude_categories=["C"])))
def test_a_supervised_command_reads_back_as_its_arguments(value: str) -> None:
    """As supervisor reads it: comments of the INI file, then %-expansion, then a shell's words."""
    try:
        text = render.supervisor_command(["program", value])
    except UnsafeValue:
        return
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    parser.read_string(f"[program:x]\ncommand={text}\n")
    assert shlex.split(parser["program:x"]["command"] % {}) == ["program", value]


def test_a_string_without_a_filter_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.conf").write_text("port={{ port }} name={{ name }}")
    monkeypatch.setattr(render, "TEMPLATES", tmp_path)
    with pytest.raises(UnsafeValue, match="without a filter"):
        render.render("t.conf", port=1, name="x")


def test_a_file_is_replaced_in_one_move_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    own = (path.parent.stat().st_uid, path.parent.stat().st_gid)
    assert render.write(path, "one", mode=0o600, owner=own)
    assert not render.write(path, "one", mode=0o600, owner=own)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.conf"]


def all_programs(settings: Settings) -> list[programs.Program]:
    binary = Path("/opt/tool")
    return [
        programs.mariadb(settings),
        programs.postgresql(settings),
        programs.temporal(settings, binary),
        programs.gitea(settings, binary),
        programs.registry(settings),
        programs.docker_engine(settings, binary),
        programs.build_engine(settings, binary),
        programs.mongo(settings, binary),
        programs.prometheus(settings),
        programs.node_exporter(settings),
        programs.nginx(settings),
        workspace_programs.verdaccio(settings, NodeServer(node=binary, script=binary)),
        *(
            workspace_programs.workspace_gateway(settings, node)
            for node in settings.nodes
            if node.role == "workspace"
        ),
        *(
            programs.traefik(settings, node, binary)
            for node in settings.nodes
            if node.role == "runtime"
        ),
        *own_programs.own_programs(settings, "code"),
    ]


def test_two_platforms_share_no_port_and_no_path(tmp_path: Path) -> None:
    one = Settings(port_offset=0, platform="studio", runtimes=2, runners=2, workspaces=2)
    other = Settings(
        home=tmp_path,
        platform="studiotest",
        port_offset=500,
        subnet_base="172.29",
        runtimes=2,
    )
    ports = [
        {listen for program in all_programs(each) for listen in program.listens}
        for each in (one, other)
    ]
    assert not {port for _, port in ports[0]} & {port for _, port in ports[1]}
    assert all(len(set(found)) == len(found) for found in ports)
    for program in all_programs(other):
        assert "/var/lib/fun-ai-studio" not in " ".join(program.command)
    assert files.build_engine_config(other, 1400)["cgroup-parent"] == "/studiotest-builds"


def gitea_settings(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> configparser.ConfigParser:
    """Gitea's configuration, as written for this platform."""
    monkeypatch.setattr(files, "owner", lambda _: (os.getuid(), os.getgid()))
    monkeypatch.setattr(files, "run", lambda *_, **__: "secret")
    (settings.data / "gitea" / "secrets").mkdir(parents=True)
    files._gitea(settings, None)
    written = configparser.ConfigParser(interpolation=None)
    written.read_string("[top]\n" + (settings.etc / "gitea.ini").read_text())
    return written


def test_repositories_are_collected_also_where_a_machine_starts_every_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cron = gitea_settings(Settings(home=tmp_path), monkeypatch)["cron.git_gc_repos"]
    assert cron.getboolean("ENABLED")
    assert cron.getboolean("RUN_AT_START")


def test_what_a_push_left_that_broke_off_goes_soon_and_no_push_that_goes_on(
    tmp_path: Path,
) -> None:
    given = dict.fromkeys(("data", "address", "metrics_address", "secret", "realm"), "x")
    text = render.render("registry.yml", **given, certificate=tmp_path)
    purging = yaml.safe_load(text)["storage"]["maintenance"]["uploadpurging"]
    assert purging == {"enabled": True, "age": "2h", "interval": "1h", "dryrun": False}
    longest = policies.ON_RUNNER.schedule_to_close
    assert longest is not None
    assert longest < timedelta(hours=2)


def test_a_push_may_be_as_large_as_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path, source_mb=7)
    written = gitea_settings(settings, monkeypatch)["git.config"]
    assert written["receive.maxInputSize"] == str(7 * 1024 * 1024)
    hooks = Path(written["core.hooksPath"])
    assert sorted(hook.name for hook in hooks.iterdir()) == sorted(git_hooks.HOOKS)
    assert all(hook.stat().st_mode & 0o777 == 0o755 for hook in hooks.iterdir())
    assert (settings.etc / "gitea.ini").stat().st_mode & 0o777 == 0o640


def pack(kind: int, megabytes: int) -> bytes:
    """A pack of one object (1: a commit, 3: a file) of this size, which is very small itself."""
    size = megabytes * 1024 * 1024
    head = [(kind << 4) | (size & 15)]
    rest = size >> 4
    while rest:
        head[-1] |= 128
        head.append(rest & 127)
        rest >>= 7
    squeeze = zlib.compressobj(1)
    body = [squeeze.compress(bytes(1024 * 1024)) for _ in range(megabytes)]
    text = b"PACK" + struct.pack(">II", 2, 1) + bytes(head) + b"".join(body) + squeeze.flush()
    return text + hashlib.sha1(text).digest()


@pytest.mark.parametrize("program", [("index-pack", "--stdin"), ("unpack-objects", "-q")])
def test_a_small_push_takes_no_gigabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: tuple[str, ...]
) -> None:
    """By the two programs that receive a push: a large file gets through, a large commit does not."""
    settings = Settings(home=tmp_path)
    threshold = gitea_settings(settings, monkeypatch)["git.config"]["core.bigFileThreshold"]
    limit = programs.gitea(settings, Path("/bin/true")).environment["GIT_ALLOC_LIMIT"]
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "git"], check=True)
    asked = ["git", "-C", str(tmp_path / "git"), "-c", f"core.bigFileThreshold={threshold}"]
    for kind, said in ((3, b""), (1, b"over limit")):
        done = subprocess.run(
            [*asked, *program],
            input=pack(kind, 300),
            capture_output=True,
            check=False,
            env={**os.environ, "GIT_ALLOC_LIMIT": limit},
        )
        assert (done.returncode == 0, said in done.stderr) == (kind == 3, True), done.stderr


def test_nothing_but_the_entry_listens_on_every_address() -> None:
    settings = Settings()
    own = {str(settings.service_address), "127.0.0.1"}
    for program in all_programs(settings):
        if program.name != "nginx":
            assert {address for address, _ in program.listens} <= own
    open_to_all = Settings(git_ssh_host="git.example.com")
    assert programs.ssh_listen(open_to_all) == "0.0.0.0"
    # nginx cannot listen beside a server that listens on every address.
    assert "stream {" in nginx.nginx_config(settings)
    assert "stream {" not in nginx.nginx_config(open_to_all)


def test_the_supervisor_restarts_for_ever_and_its_socket_is_roots(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    wanted = all_programs(settings)
    text = render.render(
        "supervisord.conf",
        run=settings.run,
        logs=settings.logs,
        programs=wanted,
        environments={program.name: {"A": "1"} for program in wanted},
        open_files=supervisor.open_files(),
    )
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(text)
    assert parser["unix_http_server"]["chmod"] == "0600"
    for program in wanted:
        section = parser[f"program:{program.name}"]
        assert shlex.split(section["command"] % {}) == list(program.command)
        assert section["autorestart"] == "true"
        assert int(section["startretries"]) > 10**5
        assert section["user"] == program.user


def test_the_engines_speak_plain_http_to_our_registry_only() -> None:
    config = files.build_engine_config(Settings(), 1400)
    assert not any(name.startswith("0.0.0.0") for name in config["insecure-registries"])
    assert json.loads(json.dumps(config)) == config
    assert all(host.startswith("unix://") for host in config["hosts"])


@pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx here")
@pytest.mark.parametrize(
    ("routing", "proxies"), [("names", ""), ("path", ""), ("names", "10.1.0.0/16 192.0.2.7")]
)
def test_nginx_accepts_its_configuration(tmp_path: Path, routing: str, proxies: str) -> None:
    settings = Settings.model_validate(
        {"home": tmp_path, "routing": routing, "runtimes": 2, "trusted_proxies": proxies}
    )
    for folder in (settings.run, settings.data / "nginx", settings.etc):
        folder.mkdir(parents=True)
    text = nginx.nginx_config(settings)
    # The platform's user is made by ops/up.
    text = re.sub(r"^user .*$", "", text, flags=re.MULTILINE)
    config = settings.etc / "nginx.conf"
    config.write_text(text)
    done = subprocess.run(
        ["nginx", "-t", "-c", str(config)], capture_output=True, text=True, check=False
    )
    assert "syntax is ok" in done.stderr, done.stderr
    assert ("apps.localhost" in text.replace("\\", "")) == (routing == "names")
    trusted = re.findall(r"^ *set_real_ip_from (\S+);$", text, re.MULTILINE)
    assert trusted == (["10.1.0.0/16", "192.0.2.7/32"] if proxies else [])
    # Nobody's word is taken where no terminator is named.
    assert ("real_ip" in text) == bool(proxies)


def test_where_an_app_is_outlives_a_month_without_visitors_and_a_pass_does_not() -> None:
    """nginx drops what nobody asked for so long, and has nothing to go on with without the API."""
    text = nginx.nginx_config(Settings())
    kept = dict(re.findall(r"keys_zone=(\w+):\w+\s+inactive=(\w+)", text))
    asks = [part for part in text.split("location ") if "proxy_cache_use_stale" in part]
    found = {
        re.findall(r'proxy_cache_key "?(\w+):', part)[0]: kept[
            re.findall(r"proxy_cache (\w+);", part)[0]
        ]
        for part in asks
    }
    assert found == {"app": "30d", "slug": "30d", "preview": "10m", "code": "10m"}


@pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx here")
def test_nginx_accepts_the_configuration_of_a_workspace_gateway(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": tmp_path, "workspaces": 2, "workspace_slots": 1000})
    node = settings.node("workspace-87-2")
    for folder in (settings.run, workspace_files.gateway_cache(settings, node)):
        folder.mkdir(parents=True)
    text = workspace_files.gateway_config(settings, node)
    config = tmp_path / "gateway.conf"
    config.write_text(re.sub(r"^user .*$", "", text, flags=re.MULTILINE))
    done = subprocess.run(
        ["nginx", "-t", "-c", str(config)], capture_output=True, text=True, check=False
    )
    assert "syntax is ok" in done.stderr, done.stderr
    assert "server 172.28.80.10:3000" in text
    assert "server 172.28.83.241:3000" in text
    assert f"listen 127.0.0.1:{node.gateway_port}" in text


def test_nobody_publishes_or_signs_up_at_the_package_cache(tmp_path: Path) -> None:
    text = render.render("verdaccio.yml", data=tmp_path, upstream="https://mirror.example/npm/")
    config = yaml.safe_load(text)
    assert config["auth"]["htpasswd"]["max_users"] == -1
    assert config["web"]["enable"] is False
    assert "middlewares" not in config
    for rule in config["packages"].values():
        assert (rule["publish"], rule["unpublish"]) == ("nobody", "nobody")
    assert config["uplinks"]["upstream"]["url"] == "https://mirror.example/npm/"


def test_only_mounts_of_this_platform_are_unmounted() -> None:
    mounts = """proc /proc proc rw 0 0
/dev/loop0 /srv/one/data/nodes/w/disks/u-1 ext4 rw 0 0
/dev/loop1 /srv/one/data/nodes/w/disks/u-1/odd\\040name ext4 rw 0 0
/dev/loop2 /srv/one/data/nodes2/disks/u-1 ext4 rw 0 0
/dev/loop3 /srv/other/data/nodes/w/disks/u-1 ext4 rw 0 0
"""
    assert workspace_files.mounts_below(Path("/srv/one/data/nodes"), mounts) == [
        Path("/srv/one/data/nodes/w/disks/u-1/odd name"),
        Path("/srv/one/data/nodes/w/disks/u-1"),
    ]


def test_a_container_knows_the_git_server_by_its_key() -> None:
    line = workspace_files.known_hosts(Settings(), "ssh-rsa AAAAB3 comment of the key")
    assert line == "[172.28.255.1]:2222 ssh-rsa AAAAB3\n"


def cookies_for_the_app(header: str) -> str:
    """The two maps of nginx.conf, read from the file and applied as nginx does."""
    text = nginx.nginx_config(Settings())
    found = re.search(r'"~\*(\^.*studio_session=.*)" \$before\$after;', text)
    assert found
    first = re.match(found[1].replace("(?<", "(?P<"), header, re.IGNORECASE)
    rest = (first["before"] or "") + (first["after"] or "") if first else header
    return "" if re.search("studio_session", rest, re.IGNORECASE) else rest


@pytest.mark.parametrize(
    ("header", "seen"),
    [
        ("a=1; b=2", "a=1; b=2"),
        ("studio_session=x", ""),
        ("a=1; studio_session=x", "a=1; "),
        ("studio_session=x; b=2", "b=2"),
        ("a=1; __Host-studio_session=x; b=2", "a=1; b=2"),
        ("studio_session=x; __Host-studio_session=y; c=3", ""),
        ("a=1; studio_session=x; studio_session=y", ""),
        ("STUDIO_SESSION=x; a=1", "a=1"),
    ],
)
def test_the_platforms_cookie_never_reaches_an_app(header: str, seen: str) -> None:
    assert cookies_for_the_app(header) == seen


@given(st.lists(st.sampled_from(["a=1", "studio_session=SECRET", "__Host-studio_session=SECRET"])))
def test_no_order_of_cookies_lets_the_platforms_own_through(parts: list[str]) -> None:
    assert "SECRET" not in cookies_for_the_app("; ".join(parts))
