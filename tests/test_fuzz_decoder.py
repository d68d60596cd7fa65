"""Whatever bytes come as a page: they are taken to the last member, or refused by name.

A short run with a fixed seed; `make fuzz-decoder` does so guided by coverage, as long as it is told to.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from extract.decode import decode_page
from tests.fuzz.decoder import WORDS, LossError, check_body, story_pages

BODIES = 1_000


def changed(dice: Random, body: bytes) -> bytes:
    """The body with a few of its bytes left out, doubled, moved or replaced."""
    for _ in range(dice.randint(1, 3)):
        start = dice.randrange(len(body) + 1)
        end = start + dice.choice((0, 1, 2, 8, 40))
        word = dice.choice((*WORDS, "\\", '"', ",", "1", "[", "]", "\\u1", "\x80")).encode(
            "latin-1"
        )
        piece = dice.choice((b"", word, body[start:end] * 2, bytes([dice.randrange(256)])))
        body = body[:start] + piece + body[end:]
    return body


def test_changed_pages_are_taken_whole_or_refused(tmp_path: Path) -> None:
    dice = Random(20191202)  # noqa: S311 - the same every time, no secret
    pages = story_pages()
    ends = Counter(check_body(changed(dice, dice.choice(pages)), tmp_path) for _ in range(BODIES))
    assert ends["taken"] > BODIES / 10
    assert ends["refused"] > BODIES / 3


@pytest.mark.parametrize("page", story_pages())
def test_the_stories_pages_are_taken(page: bytes, tmp_path: Path) -> None:
    assert check_body(page, tmp_path) == "taken"


PAGE = b'{"imageSummaryList":[{"arn":"a","name":"x","new":[1]},{"arn":"b"}]}'


def without(member: str) -> Callable[[list[Any]], list[Any]]:
    def lose(builds: list[Any]) -> list[Any]:
        for build in builds:
            setattr(build, member, None)
        return builds

    return lose


@pytest.mark.parametrize(
    ("lose", "words"),
    [
        (lambda builds: [builds[1], builds[1]], "2 builds sent, 1 read"),
        (without("name"), "$.name: sent 'x', read None"),
        (without("extra_"), "$.new: sent [1], read None"),
    ],
)
def test_a_loss_is_found(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    lose: Callable[[list[Any]], list[Any]],
    words: str,
) -> None:
    monkeypatch.setattr("extract.reading.decode_page", lambda body: lose(decode_page(body)))
    with pytest.raises(LossError) as caught:
        check_body(PAGE, tmp_path)
    assert words in str(caught.value)
