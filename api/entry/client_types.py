"""``python -m api.entry.client_types``: the API as the studio page's TypeScript knows it.

Writes ``api/studio/src/api/schema.d.ts``. A test makes it anew, to tell when what is kept is stale or
was changed by hand.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from api.entry.app import create_app
from ops.settings import Settings, load_settings
from ops.stack.npm_tools import run_node
from ops.stack.studio_page import SOURCE, ensure_packages
from ops.stack.tools import find_node

TYPES = SOURCE / "src" / "api" / "schema.d.ts"
FIRST_LINE = "// Made by python -m api.entry.client_types"


def document() -> str:
    """The API's description with default settings, the same text on every machine."""
    described = create_app(Settings(), serve_metrics=False).openapi()
    return json.dumps(described, indent=1, sort_keys=True)


def generated(settings: Settings) -> str:
    """What the file has to hold, with the generator that the page's lock file names."""
    script = ensure_packages(settings) / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "openapi.json", Path(folder) / "schema.d.ts"
        source.write_text(document())
        run_node(
            find_node(settings),
            script,
            str(source),
            "--output",
            str(made),
            "--root-types",
            "--root-types-no-schema-prefix",
            # What has a default may be left out of a request.
            "--default-non-nullable=false",
            cwd=Path(folder),
        )
        return f"{FIRST_LINE}\n{made.read_text()}"


def main() -> None:
    TYPES.write_text(generated(load_settings()))
    print(f"{TYPES} is up to date")


if __name__ == "__main__":
    main()
