"""What is made anew by itself is left out by whoever copies a folder into a workspace."""

from __future__ import annotations

import re

from ops.cli_files import LEFT_OUT
from ops.stack.studio_page import SOURCE

PAGE = SOURCE / "src" / "components" / "studio" / "state" / "uploads.ts"


def test_the_page_leaves_out_what_the_command_line_does() -> None:
    found = re.search(r"LEFT_OUT = new Set\(\[(.*)\]\)", PAGE.read_text())
    assert found
    assert set(re.findall(r'"([^"]+)"', found[1])) == LEFT_OUT
