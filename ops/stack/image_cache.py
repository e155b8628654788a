"""Base images kept for the next platform on this machine: compressed, as the registry has them.

An engine that has loaded an image from an archive compresses each layer anew to push it, which takes
most of a minute of a core. An engine that has pulled it knows that the registry has its layers. So
what is kept goes into a new platform's registry, and both engines pull it from there.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx

from ops.errors import PlatformError
from ops.plain_http import NO_CERTIFICATES
from ops.settings import Settings, read_secret
from ops.stack.base_images import BaseImage

KEPT_DAYS = 7
"""What no platform used for so long is of no platform of today."""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CHUNK = 1 << 20

Tell = Callable[[str], None]


class ImageCache:
    """One folder a set of base images: their manifests by name, their blobs by digest."""

    def __init__(self, settings: Settings, key: str) -> None:
        self._parent = settings.cache / "images"
        self._folder = self._parent / f"base-{key}"
        self._settings = settings

    def is_there(self) -> bool:
        return self._folder.is_dir()

    def keep(self, images: Iterable[BaseImage], tell: Tell) -> None:
        """Out of the registry; whole or not at all, also when two platforms do it at once."""
        self._parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=self._parent, prefix="draft-"))
        try:
            for image in images:
                tell(image.short)
                with _Repository(self._settings, image) as registry:
                    manifest = registry.manifest()
                    for digest in _blobs(manifest):
                        if not (blob := _blob(draft, digest)).exists():
                            registry.fetch(digest, blob)
                _manifest(draft, image).write_bytes(manifest)
            if not self.is_there():
                draft.rename(self._folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def restore(self, images: Iterable[BaseImage], tell: Tell) -> bool:
        """Into the registry. False where nothing is kept, or what is kept was damaged: it is gone."""
        if not self.is_there():
            return False
        self._folder.touch()
        try:
            for image in images:
                tell(image.short)
                manifest = _manifest(self._folder, image).read_bytes()
                with _Repository(self._settings, image) as registry:
                    for digest in _blobs(manifest):
                        registry.send(digest, _blob(self._folder, digest))
                    registry.name(manifest)
        except (OSError, ValueError, LookupError, _Refused):
            shutil.rmtree(self._folder)
            return False
        return True

    def drop_old(self) -> None:
        for old in self._parent.glob("*"):
            if old != self._folder and old.stat().st_mtime < time.time() - KEPT_DAYS * 24 * 3600:
                shutil.rmtree(old) if old.is_dir() else old.unlink()


class _Refused(Exception):
    """The registry found that a blob or a manifest is not what it should be."""


class _Repository:
    """One base image's repository by the registry's HTTP API."""

    def __init__(self, settings: Settings, image: BaseImage) -> None:
        self._tag = image.portable_tag
        self._http = httpx.Client(
            base_url=f"http://{settings.registry}/v2/{image.repository}/",
            timeout=60,
            trust_env=False,
            verify=NO_CERTIFICATES,
        )
        answer = self._http.get(
            f"{settings.control_url}/registry/token",
            params={
                "service": "studio-registry",
                "scope": f"repository:{image.repository}:pull,push",
            },
            auth=("base", read_secret(settings, "control-token").get_secret_value()),
        )
        self._http.headers["Authorization"] = f"Bearer {_good(answer).json()['token']}"

    def __enter__(self) -> _Repository:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def manifest(self) -> bytes:
        return _good(self._http.get(f"manifests/{self._tag}", headers={"Accept": MANIFEST})).content

    def fetch(self, digest: str, target: Path) -> None:
        target.parent.mkdir(exist_ok=True)
        with self._http.stream("GET", f"blobs/{digest}") as answer, target.open("wb") as file:
            for chunk in _good(answer).iter_raw(CHUNK):
                file.write(chunk)

    def send(self, digest: str, source: Path) -> None:
        """Raises _Refused when the file has not this digest."""
        if self._http.head(f"blobs/{digest}").is_success:
            return
        begun = _good(self._http.post("blobs/uploads/"))
        place = begun.url.join(begun.headers["Location"])
        answer = self._http.put(
            place.copy_add_param("digest", digest),
            content=_chunks(source),
            headers={"Content-Length": str(source.stat().st_size)},
        )
        _accepted(answer)

    def name(self, manifest: bytes) -> None:
        _accepted(
            self._http.put(
                f"manifests/{self._tag}", content=manifest, headers={"Content-Type": MANIFEST}
            )
        )


def _good(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        raise PlatformError(
            f"the image registry answered {answer.status_code} to {answer.request.method}",
            hint="`ops/supervisorctl tail registry` shows its log",
        )
    return answer


def _accepted(answer: httpx.Response) -> None:
    if answer.status_code == httpx.codes.BAD_REQUEST:
        raise _Refused(answer.text)
    _good(answer)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _blobs(manifest: bytes) -> list[str]:
    read = json.loads(manifest)
    return [read["config"]["digest"], *(layer["digest"] for layer in read["layers"])]


def _manifest(folder: Path, image: BaseImage) -> Path:
    return folder / f"{image.name}.json"


def _blob(folder: Path, digest: str) -> Path:
    return folder / "blobs" / digest.removeprefix("sha256:")
