"""Pushing a small image by the registry's HTTP API, with a token that a test was given."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """The platform's registry as somebody with one token sees it."""

    def __init__(self, address: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=f"http://{address}/v2",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )

    def push(self, repository: str, tag: str, content: bytes) -> str:
        """The digest. Raises httpx.HTTPStatusError when the registry refuses."""
        config = self._blob(repository, json.dumps({"made": content.decode()}).encode())
        layer = self._blob(repository, content)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config | {"mediaType": "application/vnd.docker.container.image.v1+json"},
            "layers": [layer | {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"}],
        }
        answer = self._client.put(
            f"/{repository}/manifests/{tag}",
            content=json.dumps(manifest),
            headers={"Content-Type": MANIFEST},
        )
        return str(answer.raise_for_status().headers["Docker-Content-Digest"])

    def status(self, repository: str, reference: str) -> int:
        answer = self._client.get(
            f"/{repository}/manifests/{reference}", headers={"Accept": MANIFEST}
        )
        return answer.status_code

    def _blob(self, repository: str, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        begun = self._client.post(f"/{repository}/blobs/uploads/").raise_for_status()
        upload = httpx.URL(begun.headers["Location"].removeprefix("/v2"))
        self._client.put(
            upload.copy_merge_params({"digest": digest}),
            content=content,
            headers={"Content-Type": "application/octet-stream"},
        ).raise_for_status()
        return {"digest": digest, "size": len(content)}
