"""A table loses nothing: it fits a terminal by folding, or by a line a column."""

import random

import pytest

from flows.text_table import cells, folded, table_lines


def lines(names: list[str], *rows: list[str], width: int | None = None) -> list[str]:
    return list(table_lines(names, rows, [name == "n" for name in names], width))


def test_without_a_terminal_a_table_is_as_wide_as_need_be() -> None:
    words = "word " * 100 + "end"
    assert lines(["n", "words"], ["1", words], ["22", "日本"]) == [
        " n   words",
        "─" * (2 + 3 + len(words)),
        f" 1   {words}",
        "22   日本",
    ]


def test_what_fits_is_not_folded() -> None:
    rows = (["1", "one two"], ["2", "日本"])
    assert lines(["n", "words"], *rows, width=11) == lines(["n", "words"], *rows)


def test_the_widest_column_is_folded_at_its_spaces() -> None:
    assert lines(["n", "words"], ["1", "some words that are many"], ["2", "x"], width=20) == [
        "n   words",
        "─" * 20,
        "1   some words that",
        "    are many",
        "2   x",
    ]


def test_a_text_of_several_lines_stays_in_its_column() -> None:
    assert lines(["a", "b"], ["one\ntwo", "x"]) == ["a     b", "───────", "one   x", "two"]


def test_what_no_folding_fits_gets_a_line_a_column() -> None:
    names = [f"column_{number}" for number in range(6)]
    assert lines(names, ["value"] * 5 + ["a longer value"], ["x"] * 6, width=30) == [
        "── row 1 ─────────────────────",
        *(f"column_{number}   value" for number in range(5)),
        "column_5   a longer value",
        "── row 2 ─────────────────────",
        *(f"column_{number}   x" for number in range(6)),
    ]
    assert lines(names, width=30) == [
        "column_0, column_1, column_2,",
        "column_3, column_4, column_5",
    ]


def test_an_id_is_never_broken() -> None:
    """Where it would be, each column gets a line; a word that is longer still is folded."""
    run_id = "20251120T020000123456Z-1a2b3c4d"
    assert lines(["status", "run_id"], ["complete", run_id], width=42) == [
        "status     run_id",
        "─" * (8 + 3 + len(run_id)),
        f"complete   {run_id}",
    ]
    assert lines(["status", "run_id"], ["complete", run_id], width=40) == [
        "── row 1 " + "─" * 31,
        "status   complete",
        f"run_id   {run_id}",
    ]
    arn = "arn:aws:imagebuilder:us-east-1:111122223333:image/web/1.0.0/1"
    assert lines(["status", "arn"], ["complete", arn], width=50)[2:] == [
        f"complete   {arn[:39]}",
        f"           {arn[39:]}",
    ]


@pytest.mark.parametrize("width", [20, 33, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(width: int) -> None:
    random.seed(width)
    alphabet = ["a", "bc", "日本", "é", "wordword", "x" * 30]
    for _ in range(200):
        names = [f"name{number}" for number in range(random.randrange(1, 9))]  # noqa: S311 - no secret
        rows = [
            [" ".join(random.choices(alphabet, k=random.randrange(12))) for _ in names]  # noqa: S311 - no secret
            for _ in range(3)
        ]
        shown = lines(names, *rows, width=width)
        assert max(map(cells, shown)) <= width
        letters = sorted("".join("".join(row) for row in rows).replace(" ", ""))
        seen = "".join(line for line in shown if "─" not in line)
        for name in names:
            seen = seen.replace(name, "")
        assert sorted(seen.replace(" ", "")) == letters


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("", 5, [""]),
        ("abcdefg", 3, ["abc", "def", "g"]),
        ("ab cd ef", 5, ["ab cd", "ef"]),
        ("ab  cd", 3, ["ab", "cd"]),
        ("日本語", 4, ["日本", "語"]),
        ("日本", 1, ["日", "本"]),
        ("a\n\nb", 5, ["a", "", "b"]),
        ("a\tb", 20, ["a       b"]),
    ],
)
def test_a_text_is_folded_at_spaces_else_within_a_word(
    text: str, width: int, expected: list[str]
) -> None:
    assert folded(text, width) == expected
