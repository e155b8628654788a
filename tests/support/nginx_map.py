"""A map of nginx's, read from its configuration and applied as nginx does."""

from __future__ import annotations

import re


class NginxMap:
    """Patterns are tried in their order; what none of them fits has the default."""

    def __init__(self, config: str, variable: str) -> None:
        found = re.search(rf'map (?:\S+|"[^"]+") \${variable} {{\n(.*?)\n    }}', config, re.DOTALL)
        assert found
        self.rules = [
            # In a pattern of nginx $ also matches before a last line end; a header has none.
            (re.compile(pattern.replace("(?<", "(?P<"), re.IGNORECASE if anyhow else 0), given)
            for anyhow, pattern, given in re.findall(r'"~(\*?)(.*)" "?(.*?)"?;', found[1])
        ]
        default = re.search(r'default "?(.*?)"?;', found[1])
        assert default
        self.default = default[1]

    def __getitem__(self, value: str) -> str:
        return next((given for pattern, given in self.rules if pattern.search(value)), self.default)
