"""What the shell shows on a terminal: answers, in part or whole, and what its commands say."""

from pathlib import Path

import pyarrow.parquet as pq

from tests.shell import CTRL_D, ENTER, PROMPT, Shell, ask, shell, warehouse

__all__ = ["shell", "warehouse"]  # fixtures are used by their names


def test_a_long_answer_is_shown_in_part(shell: Shell, tmp_path: Path) -> None:
    """How to get the rest is said, and both ways lead to it."""
    terminal = shell()
    terminal.sees(PROMPT)
    shown = ask(terminal, "select range as n from range(2500);")
    assert "\n999\n(1,000 of" in shown
    assert shown.endswith("(1,000 of 2,500 rows; `.rows all` shows all, `.save FILE` keeps them)")
    assert ask(terminal, ".rows 2").strip() == ""
    assert "(2 of 3 rows;" in ask(terminal, "from range(3);")
    ask(terminal, ".save kept.parquet")
    assert "kept.parquet: 2,500 rows" in ask(terminal, "select range as n from range(2500);")
    assert pq.read_table(tmp_path / "kept.parquet").column("n").to_pylist() == list(range(2500))
    ask(terminal, ".rows all")
    assert ask(terminal, "from range(2000);").endswith("1999\n(2,000 rows)")


def test_commands_say_what_there_is_and_what_is_wrong(shell: Shell) -> None:
    terminal = shell()
    terminal.sees("`.help` says more")
    terminal.sees(PROMPT)
    assert ".save FILE" in ask(terminal, ".help")
    assert "golden_amis" in ask(terminal, ".views")
    assert "The AMI's id (`ami-…`)." in ask(terminal, ".schema golden_amis")
    for typed, words in (
        (".schema", ".schema NAME: which view or table? .views lists them"),
        (".schema golden", "'golden' is no view, table or macro; did you mean golden_amis"),
        (".format xml", ".format xml: expected table, csv or json"),
        (".format parquet", ".format parquet: it is binary; .save FILE.parquet keeps an answer"),
        (".rows 0", ".rows 0: expected a number above 0, or all"),
        (".save a.xlsx", ".save a.xlsx: expected a .csv, .json or .parquet file"),
        (".save ~nobody-here/a.csv", ".save '~nobody-here/a.csv': there is no user 'nobody-here'"),
        (".save s3://b/a.csv", ".save 's3://b/a.csv': only a lake may be at a URL"),
        (".nonsense", "'.nonsense' is no command; .help lists them"),
    ):
        assert words in ask(terminal, typed)
    ask(terminal, ".format json")
    assert ask(terminal, "select 1 as a;").endswith('[\n{"a": 1}\n]')
    terminal.type(".quit" + ENTER)
    assert terminal.ends() == 0


def test_a_wide_row_gets_a_line_a_column_on_a_narrow_terminal(shell: Shell) -> None:
    terminal = shell(columns=60)
    terminal.sees(PROMPT)
    columns = ", ".join(f"'value {number}' as column_{number}" for number in range(8))
    ask(terminal, ".rows 5")
    terminal.type(f"select {columns};{ENTER}")
    shown = terminal.sees("(1 row)")
    assert "column_6   value 6\ncolumn_7   value 7\n" in shown


def test_what_a_warehouse_holds_moves_no_cursor(shell: Shell) -> None:
    terminal = shell()
    terminal.sees(PROMPT)
    for form, shown in (("table", "\\x1b"), ("csv", "\\x1b"), ("json", "\\u001b")):
        ask(terminal, f".format {form}")
        answer = ask(terminal, "select chr(27) || ']0;title' as \"a\x1b[31m\";".replace("\x1b", ""))
        assert f"{shown}]0;title" in answer
    assert b"\x1b]0;title" not in terminal.raw


def test_parquet_is_never_written_to_a_terminal(shell: Shell) -> None:
    refused = shell("select 1", "--format", "parquet")
    assert refused.ends() == 2
    assert refused.shown.strip() == (
        "imagelake: --format parquet: it is binary, and the output is a terminal; write it to a file"
    )
    refused = shell("--format", "parquet")
    assert refused.ends() == 2
    assert "go with a QUERY" in refused.shown


def test_answers_go_to_a_file_while_the_prompt_stays_on_the_terminal(
    shell: Shell, tmp_path: Path
) -> None:
    """All their rows: nobody is overwhelmed."""
    with (tmp_path / "answers").open("wb") as out:
        terminal = shell("--format", "csv", stdout=out.fileno())
        terminal.sees(PROMPT)
        terminal.type(f"from range(1500);{ENTER}")
        terminal.sees("\n" + PROMPT)
        terminal.type(CTRL_D)
        assert terminal.ends() == 0
    assert (tmp_path / "answers").read_text() == "range\n" + "".join(f"{n}\n" for n in range(1500))
