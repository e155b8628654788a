"""The web page of the studio: built once for each state of ``api/studio``, served by nginx on 91."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from ops.settings import Settings
from ops.stack.npm_tools import npm_in, run_node
from ops.stack.programs import CHECKOUT, file_fingerprint, fingerprint
from ops.stack.steps import Step
from ops.stack.tools import find_node

SOURCE = CHECKOUT / "api" / "studio"
LOCKED = ("package.json", "package-lock.json", ".npmrc")
#: What is made, and not written by anybody.
MADE = ("node_modules", "dist", "openapi.json")


def page_root(settings: Settings) -> Path:
    """The folder that nginx serves; a link that leads to the build in use."""
    return settings.etc / "page" / "current"


def ensure_page(settings: Settings, step: Step) -> Path:
    """The built page in the cache: ``index.html`` and ``assets/`` with hashed names."""
    home = _built(settings)
    step.note("kept" if home.is_dir() else "built")
    if not home.is_dir():
        packages = ensure_packages(settings)
        # Below the packages, where Node looks for them.
        draft = Path(tempfile.mkdtemp(prefix="build-", dir=packages))
        try:
            copy_source(draft)
            vite = packages / "node_modules" / "vite" / "bin" / "vite.js"
            run_node(find_node(settings), vite, "build", cwd=draft)
            _readable(draft / "dist")
            if not home.is_dir():
                (draft / "dist").rename(home)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return home


def _built(settings: Settings) -> Path:
    """Where the cache has what the source of today becomes."""
    key = fingerprint(*(f"{path.relative_to(SOURCE)}\0{_text(path)}" for path in sources()))[:12]
    return settings.cache / "tools" / f"studio-page-{key}"


def ensure_packages(settings: Settings) -> Path:
    """A folder whose ``node_modules`` holds what the lock file names. No package's script runs."""
    key = file_fingerprint(*(SOURCE / name for name in LOCKED))[:12]
    home = settings.cache / "tools" / f"studio-packages-{key}"
    if not home.is_dir():
        home.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="studio-packages-new-", dir=home.parent))
        for name in LOCKED:
            shutil.copyfile(SOURCE / name, draft / name)
        npm_in(find_node(settings), draft, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        if home.is_dir():
            shutil.rmtree(draft)
        else:
            draft.rename(home)
    return home


def check_types(settings: Settings) -> None:
    """Raises PlatformError with the compiler's words when the page's source is not sound.

    One that was found sound is not looked at again.
    """
    sound = _built(settings).with_suffix(".sound")
    if sound.exists():
        return
    packages = ensure_packages(settings)
    draft = Path(tempfile.mkdtemp(prefix="check-", dir=packages))
    try:
        copy_source(draft)
        checker = packages / "node_modules" / "vue-tsc" / "bin" / "vue-tsc.js"
        run_node(find_node(settings), checker, "--noEmit", cwd=draft)
        sound.touch()
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def publish(settings: Settings, built: Path) -> None:
    """Puts a build where nginx's workers can read it, in one move.

    The build before it stays, for pages that are open and still ask for their parts.
    """
    current = page_root(settings)
    home = current.parent / built.name
    before = current.readlink().name if current.is_symlink() else ""
    if not home.is_dir():
        draft = home.with_name(home.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(built, draft)
        if before and before != home.name:
            # From the cache: in its own folder it has those of its predecessor too.
            old = built.with_name(before) / "assets"
            for path in old.iterdir() if old.is_dir() else ():
                if not (draft / "assets" / path.name).exists():
                    shutil.copy2(path, draft / "assets" / path.name)
        draft.rename(home)
    link = current.with_name(".current.new")
    link.unlink(missing_ok=True)
    link.symlink_to(home.name)
    link.replace(current)
    for path in current.parent.iterdir():
        if path.name not in (home.name, current.name):
            shutil.rmtree(path, ignore_errors=True)


def sources() -> list[Path]:
    """Every file that people write, in a fixed order."""
    return sorted(
        path
        for path in SOURCE.rglob("*")
        if path.is_file() and path.relative_to(SOURCE).parts[0] not in MADE
    )


def copy_source(target: Path) -> None:
    for path in sources():
        place = target / path.relative_to(SOURCE)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def _readable(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _text(path: Path) -> str:
    return path.read_bytes().decode("latin-1")
