"""The build's command line: nothing that a person wrote is an option, nothing secret is on it."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from activities.build_command import (
    build_argv,
    build_environment,
    docker_config,
    environment_file,
)
from activities.build_failure import explain
from activities.build_folder import BuildFolder, local_image
from activities.contracts.runner import BuildInput, CloneInput, CloneResult, Recipe
from activities.detect import Blueprint
from activities.engine import Login
from activities.source import build_key, environment_id
from ops.errors import BuildFailed, Invalid, PlatformError
from ops.nodeclient import BuildSecrets
from ops.settings import Settings

SETTINGS = Settings(home=Path("/srv/studio"), cache=Path("/srv/cache"))
FOLDER = BuildFolder.of(SETTINGS, "runner-101", 7)
SECRETS = BuildSecrets(
    git_url="http://git/x.git",
    git_token=SecretStr("read-token"),
    registry_user="deployment-7",
    registry_password=SecretStr("pull-password"),
    push_user="push-7",
    push_password=SecretStr("push-password"),
    build_env={"KEY": SecretStr("it's $secret")},
)


def build(build_args: dict[str, str] | None = None, base_path: str = "/") -> BuildInput:
    return BuildInput(
        deployment_id=7,
        app_id=3,
        user_id=2,
        repository="u2-app3",
        source=CloneResult(
            commit="a" * 40,
            message="",
            author="",
            recipe=Recipe.NODE,
            port=3000,
            health_path="/",
            build_args=build_args or {},
            build_key="k",
        ),
        base_path=base_path,
    )


def test_the_whole_command() -> None:
    assert build_argv(SETTINGS, FOLDER, build({"FLAVOUR": "dark"}, "/apps/3/"), "e") == [
        "/srv/cache/tools/bin/docker-buildx",
        "build",
        "--builder=default",
        "--progress=plain",
        "--provenance=false",
        "--sbom=false",
        "--iidfile=/srv/studio/data/nodes/runner-101/builds/7/image-id",
        "--file=/srv/studio/data/nodes/runner-101/builds/7/recipe/Dockerfile",
        "--secret=id=env,src=/srv/studio/data/nodes/runner-101/builds/7/credentials/env",
        "--label=studio.platform=studio",
        "--label=studio.app=3",
        "--label=studio.user=2",
        "--build-arg=BASE_PATH=/apps/3/",
        "--build-arg=BUILDKIT_CACHE_MOUNT_NS=u2",
        "--build-arg=FLAVOUR=dark",
        "--build-arg=STUDIO_ENV=e",
        "--",
        "/srv/studio/data/nodes/runner-101/builds/7/src",
    ]


@given(st.dictionaries(st.from_regex(r"[A-Za-z_]\w{0,9}", fullmatch=True), st.text(max_size=20)))
def test_no_build_argument_becomes_an_option_or_overrides_ours(arguments: dict[str, str]) -> None:
    argv = build_argv(SETTINGS, FOLDER, build(arguments), "e")
    plain = build_argv(SETTINGS, FOLDER, build(), "e")
    added = [part for part in argv if part not in plain]
    assert all(part.startswith("--build-arg=") for part in added)
    assert [part for part in argv if part not in added] == plain


def test_secrets_are_neither_on_the_command_line_nor_in_the_environment() -> None:
    seen = " ".join(build_argv(SETTINGS, FOLDER, build(), environment_id(3, SECRETS)))
    seen += json.dumps(build_environment(SETTINGS, FOLDER))
    for secret in ("read-token", "pull-password", "push-password", "$secret"):
        assert secret not in seen


def test_docker_config_knows_one_registry() -> None:
    config = json.loads(docker_config("10.0.0.1:5000", Login("me", SecretStr("pass"))))
    assert list(config["auths"]) == ["10.0.0.1:5000"]
    assert base64.b64decode(config["auths"]["10.0.0.1:5000"]["auth"]) == b"me:pass"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_environment_file_says_the_value_to_a_shell(value: str) -> None:
    text = environment_file({"KEY": SecretStr(value)})
    script = text + 'printf %s "$KEY"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode() == value


def test_environment_file_refuses_a_key_that_is_code() -> None:
    with pytest.raises(Invalid):
        environment_file({"A;touch /x": SecretStr("")})


def test_local_image_cannot_be_guessed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.secrets.mkdir()
    (settings.secrets / "node-a").write_text("one")
    (settings.secrets / "node-b").write_text("two")
    assert local_image(settings, "a", 1) == local_image(settings, "a", 1)
    names = {local_image(settings, node, number) for node in "ab" for number in (1, 2)}
    assert len(names) == 4


def key(**changes: object) -> str:
    clone = CloneInput(deployment_id=7, app_id=3, user_id=2, repository="r", ref="main")
    blueprint = Blueprint(
        recipe=Recipe.NODE,
        port=3000,
        health_path="/",
        build_args={"A": "1"},
        dockerfile="FROM a",
        ignore="",
    )
    given = {
        "given": clone,
        "tree": "t",
        "blueprint": blueprint,
        "bases": {"a": "sha256:1"},
        "env_id": "",
    } | changes
    return build_key(**given)  # type: ignore[arg-type]


def test_build_key_changes_with_everything_that_the_image_is_made_of() -> None:
    clone = CloneInput(deployment_id=7, app_id=3, user_id=2, repository="r", ref="main")
    blueprint = Blueprint(
        recipe=Recipe.NODE,
        port=3000,
        health_path="/",
        build_args={"A": "2"},
        dockerfile="FROM a",
        ignore="",
    )
    keys = [
        key(),
        key(tree="u"),
        key(env_id="x"),
        key(bases={"a": "sha256:2"}),
        key(bases={"a": None}),
        key(blueprint=blueprint),
        key(given=clone.model_copy(update={"app_id": 4})),
        key(given=clone.model_copy(update={"base_path": "/apps/3/"})),
    ]
    assert len(set(keys)) == len(keys)
    assert key(given=clone.model_copy(update={"deployment_id": 8, "ref": "other"})) == key()


def test_environment_id_tells_nothing_and_changes() -> None:
    other = SECRETS.model_copy(update={"build_env": {"KEY": SecretStr("x")}})
    assert environment_id(3, SECRETS) != environment_id(3, other)
    assert environment_id(3, SECRETS.model_copy(update={"build_env": {}})) == ""


OWN = "172.28.255.1"


@pytest.mark.parametrize(
    ("lines", "kind", "hint"),
    [
        (
            [
                "#9 0.5 npm error code EUSAGE",
                'ERROR: failed to build: failed to solve: process "/bin/sh -c npm ci" did not '
                "complete successfully: exit code: 1",
            ],
            BuildFailed,
            "lockfile",
        ),
        (
            [
                f'ERROR: failed to solve: process "/bin/sh -c echo {OWN} connection refused" did '
                "not complete successfully: exit code: 3"
            ],
            BuildFailed,
            "last lines",
        ),
        (
            ['ERROR: failed to solve: process "x" did not complete successfully: exit code: 137'],
            BuildFailed,
            "memory",
        ),
        (
            [
                "ERROR: failed to solve: 172.28.255.1:5000/apps/u1-app1:x: failed to resolve source "
                "metadata: pull access denied"
            ],
            BuildFailed,
            "FROM names an image",
        ),
        (
            ["ERROR: failed to solve: executor failed running [/bin/sh -c exit 3]: exit code: 3"],
            BuildFailed,
            "last lines",
        ),
        (
            ["ERROR: failed to solve: dockerfile parse error on line 3: unknown instruction: FORM"],
            BuildFailed,
            "correct the Dockerfile",
        ),
        (
            [f"ERROR: failed to do request: dial tcp {OWN}:5000: connect: connection refused"],
            PlatformError,
            "by itself",
        ),
        (["ERROR: Cannot connect to the Docker daemon at unix://x"], PlatformError, "by itself"),
        ([], BuildFailed, ""),
    ],
)
def test_why_a_build_failed(lines: list[str], kind: type[Exception], hint: str) -> None:
    error = explain(lines, OWN)
    assert type(error) is kind
    assert hint in error.hint
    assert error.log_tail == lines


def test_what_a_step_printed_is_not_hidden_by_what_buildx_repeats() -> None:
    """As buildx says it of a current engine."""
    printed = [f"#13 0.{n} line {n}" for n in range(50)]
    repeated = [
        "------",
        " > [build 7/8] RUN make:",
        *(line[4:] for line in printed[-10:]),
        "------",
    ]
    quoted = ["Dockerfile:17", "-----", "  16 |     ARG A", "  17 | >>> RUN make", "-----"]
    last = 'process "/bin/sh -c make" did not complete successfully: exit code: 2'
    tail = [*printed, f"#13 ERROR: {last}", *repeated, *quoted, f"ERROR: failed to build: {last}"]
    error = explain(tail, "172.29.255.1")
    assert error.log_tail == [*printed[-39:], f"#13 ERROR: {last}"]
    assert "exit code 2" in str(error)
