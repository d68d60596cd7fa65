"""The README's questions: a heading that asks, an SQL block that answers, the answer as printed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

README: Final = Path(__file__).parents[1] / "README.md"

_QUESTION: Final = re.compile(
    r"^### (?P<asks>[^\n]+\?)\n.*?^```sql\n(?P<sql>.*?)^```\n.*?^```text\n(?P<answer>.*?)^```\n",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Question:
    """What is asked, the query, and the answer that the README shows."""

    asks: str
    sql: str
    answer: str


def questions(readme: Path = README) -> list[Question]:
    """The questions in the README's order."""
    return [Question(**match.groupdict()) for match in _QUESTION.finditer(readme.read_text())]
