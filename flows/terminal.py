"""Text for a terminal: what came from outside can move no cursor and colour nothing."""

from __future__ import annotations

import unicodedata
from typing import Final

_KEPT: Final = "\n\t"
_HIDDEN: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that a terminal obeys or hides: controls, bidirectional marks, surrogates."""


def printable(text: str) -> str:
    """The text with every control or invisible character written as its escape."""
    if text.isprintable():
        return text
    return "".join(c if _is_shown(c) else _escape(c) for c in text)


def _is_shown(character: str) -> bool:
    return character in _KEPT or unicodedata.category(character) not in _HIDDEN


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode()
