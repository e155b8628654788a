"""Making a line of foreign output fit to be kept and shown: colours stay, all other control goes."""

from __future__ import annotations

import codecs
import re
from collections.abc import AsyncIterable, AsyncIterator

MAX_LINE = 8192

_ESCAPES = re.compile(
    r"""
      (?P<colour> \x1b\[ [0-9;:]* m )                # SGR: the only sequence that is kept
    | \x1b [\]PX^_] [^\x07\x1b\x9c]* (\x07|\x1b\\|\x9c|$)  # OSC, DCS, SOS, PM, APC with their text
    | \x9d [^\x07\x1b\x9c]* (\x07|\x1b\\|\x9c|$)     # OSC in one byte
    | (\x1b\[|\x9b) [0-?]* [ -/]* [@-~]              # any other CSI
    | \x1b [ -/]* [0-~]                              # two-byte and character-set sequences
    | [\x00-\x08\x0a-\x1f\x7f-\x9f]                  # what is left of C0 (but tab) and C1
    | [\u2028\u2029\u202a-\u202e\u2066-\u2069]       # separators and direction overrides
    """,
    re.VERBOSE,
)

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


def sanitise(line: str) -> str:
    """One line as it may be kept: no OSC, no cursor control, SGR colours kept, of bounded length.

    Of a line that was overwritten by carriage returns (a progress bar) the last text is kept.
    """
    line = line.encode("utf-8", "replace").decode().rstrip("\r\n")
    parts = line.split("\r")
    texts = [_cleaned(part[: 2 * MAX_LINE]) for part in reversed(parts)]
    shown = (text for text in texts if _COLOUR.sub("", text).strip())
    text = next(shown, "") if len(texts) > 1 else texts[0]
    return text if len(text) <= MAX_LINE else text[:MAX_LINE] + "…"


def _cleaned(text: str) -> str:
    return _ESCAPES.sub(lambda match: match["colour"] or "", text)


async def cleaned_lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[str]:
    """Foreign output line by line, each as ``sanitise`` leaves it.

    A line without end comes in pieces: no more is held than ``MAX_LINE`` characters and a chunk.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    async for chunk in chunks:
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        for line in whole:
            yield sanitise(line)
        if len(rest) > MAX_LINE:
            yield sanitise(rest)
            rest = ""
    rest += decoder.decode(b"", final=True)
    if rest:
        yield sanitise(rest)


def plain(line: str) -> str:
    """One line of foreign text as it may be shown anywhere: as ``sanitise``, and without colours."""
    return _COLOUR.sub("", sanitise(line))


def plain_lines(text: str) -> str:
    """The same for a text that may have several lines."""
    return "\n".join(plain(line) for line in text.split("\n"))
