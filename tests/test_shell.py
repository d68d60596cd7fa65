"""The shell on a terminal of its own: typed in, completed, cancelled, left."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.command import IMAGELAKE
from tests.shell import CTRL_C, CTRL_D, ENTER, PROMPT, TAB, UP, Shell, ask, shell, warehouse

__all__ = ["shell", "warehouse"]  # fixtures are used by their names

FOREVER = "select count(*) from range(100000000000)"
SHOW_STARTED = "copy (select 1) to 'started'"
"""Leaves a file behind: what follows on the line is under way as soon as it is there."""


def started(folder: Path) -> None:
    until = time.monotonic() + 30
    while not (folder / "started").exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_statement_may_take_several_lines_and_ends_with_a_semicolon(shell: Shell) -> None:
    terminal = shell()
    terminal.sees(PROMPT)
    terminal.type("select" + ENTER)
    terminal.sees("...>")
    terminal.type("';' as a," + ENTER)
    terminal.sees("...>")
    terminal.type("1 as b; select 2 as c; -- both" + ENTER)
    assert terminal.sees("(1 row)").endswith("\na   b\n─────\n;   1\n")
    assert terminal.sees("(1 row)") == "\nc\n─\n2\n"
    terminal.sees(PROMPT)
    terminal.type(CTRL_D)
    assert terminal.ends() == 0


def test_tab_completes_names_and_columns_of_what_is_named(shell: Shell) -> None:
    """Each is typed in part, and the query is right only where it was completed."""
    terminal = shell("--format", "csv")
    terminal.sees(PROMPT)
    for typed, completed, rest, expected in (
        ("select count(*) as n from golden_im", "ages", ";", "\nn\n0"),
        ("from golden_amis where ami_reg", "ion", " = 'x' limit 0;", "snapshot_date,account_id,"),
        ("from golden_amis as g select count(g.ami_i", "d", ") as m;", "\nm\n0"),
        (".sch", "ema", " visible_runs", "visible_runs: The run that shows for each date"),
    ):
        terminal.type(typed)
        terminal.sees(typed[-5:])
        terminal.type(TAB)
        terminal.sees(completed)
        terminal.type(rest + ENTER)
        assert expected in terminal.sees(f"\n{PROMPT}")


def test_tab_offers_a_menu_where_there_are_several(shell: Shell) -> None:
    """Enter takes what is chosen in it, and runs nothing yet."""
    terminal = shell("--format", "csv")
    terminal.sees(PROMPT)
    terminal.type("select count(*) as chosen from golden_")
    terminal.sees("golden_")
    terminal.type(TAB)
    terminal.sees("golden_images")
    terminal.type(TAB)
    terminal.sees("golden_amis")
    terminal.type(ENTER + " where false;")
    terminal.sees("false;")
    terminal.type(ENTER)
    terminal.sees("\nchosen\n0\n")


def test_ctrl_c_ends_the_query_and_not_the_shell(shell: Shell, tmp_path: Path) -> None:
    terminal = shell("--format", "csv")
    terminal.sees(PROMPT)
    for query in (
        FOREVER,
        "select * from range(100000000000) where range < 0",
        "from range(1000000000000)",
    ):
        (tmp_path / "started").unlink(missing_ok=True)
        if query.startswith("from"):
            terminal.type(".rows all" + ENTER)
            terminal.sees(PROMPT)
        terminal.type(f"{SHOW_STARTED}; {query};{ENTER}")
        started(tmp_path)
        time.sleep(0.3)
        at = time.monotonic()
        terminal.type(CTRL_C)
        terminal.sees("interrupted")
        assert time.monotonic() - at < 2
        terminal.sees(PROMPT)
        assert ask(terminal, "select 6 * 7 as answer;").endswith("answer\n42")
    terminal.type(CTRL_D)
    assert terminal.ends() == 0


def test_ctrl_c_at_the_prompt_clears_the_line(shell: Shell) -> None:
    terminal = shell("--format", "csv")
    terminal.sees(PROMPT)
    terminal.type("select wrong" + ENTER + "and more of it")
    terminal.sees("of it")
    terminal.type(CTRL_C)
    terminal.sees(PROMPT)
    shown = ask(terminal, "select 1 as fine;")
    if not shown.strip():  # a busy machine: the prompt came after what was typed, and drew it anew
        shown = terminal.sees("\n" + PROMPT)
    assert shown.endswith("fine\n1")


def test_an_error_points_at_its_place_and_ends_nothing(shell: Shell) -> None:
    terminal = shell()
    terminal.sees(PROMPT)
    shown = ask(terminal, "select '日本' as a, nope;")
    assert shown.endswith("LINE 1: select '日本' as a, nope\n" + " " * 28 + "^")
    assert "(1 row)" in ask(terminal, "select 1 as fine;")


def test_what_was_typed_is_there_in_the_next_session(shell: Shell, tmp_path: Path) -> None:
    """In a file of the user's own; what names a secret is not kept."""
    first = shell()
    first.sees(PROMPT)
    ask(first, "select 'kept' as a;")
    ask(first, "create secret (type http, bearer_token 'hush');")
    first.type(CTRL_D)
    assert first.ends() == 0
    kept = tmp_path / "state" / "imagelake" / "sql_history"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert [line for line in kept.read_text().splitlines() if line.startswith("+")] == [
        "+select 'kept' as a;"
    ]
    second = shell("--format", "csv")
    second.sees(PROMPT)
    second.type(UP)
    second.sees("kept")
    second.type(ENTER)
    assert second.sees("\n" + PROMPT).endswith("\na\nkept")


def test_a_history_that_cannot_be_kept_ends_nothing(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    terminal = shell("--format", "csv")
    terminal.sees(PROMPT)
    assert ask(terminal, "select 1 as a;").endswith("a\n1")


def test_a_history_is_private_and_does_not_grow_for_ever(shell: Shell, tmp_path: Path) -> None:
    kept = tmp_path / "state" / "imagelake" / "sql_history"
    kept.parent.mkdir(parents=True)
    entries = [f"\n# 2025-11-20 12:00:00\n+select {number};\n" for number in range(30_000)]
    kept.write_text("".join(entries))
    kept.chmod(0o644)
    terminal = shell()
    terminal.sees(PROMPT)
    terminal.type(UP)
    terminal.sees("select 29999;")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.read_text() == "".join(entries)[-len(kept.read_text()) :]
    assert kept.read_text().startswith("# 2025-11-20 12:00:00\n+select 1")
    assert 400_000 < kept.stat().st_size < 600_000
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_view_that_is_made_in_the_session_completes(shell: Shell) -> None:
    terminal = shell("--format", "csv")
    terminal.sees(PROMPT)
    ask(terminal, "create temp view my_own as select 1 as strange_column;")
    terminal.type("select strange_c")
    terminal.sees("strange_c")
    terminal.type(TAB)
    terminal.sees("olumn")
    terminal.type(" from my_own;" + ENTER)
    assert terminal.sees("\n" + PROMPT).endswith("strange_column\n1")


def test_bytes_that_are_no_text_end_nothing(shell: Shell) -> None:
    terminal = shell("--format", "csv")
    terminal.sees(PROMPT)
    os.write(terminal.leader, b"select '\xff' as a;\r")
    terminal.sees("no valid UTF-8")
    terminal.sees(PROMPT)
    assert ask(terminal, "select 1 as fine;").endswith("fine\n1")


def test_ctrl_c_ends_a_query_of_the_command_line(warehouse: Path, tmp_path: Path) -> None:
    """At once, with one line."""
    command = [IMAGELAKE, "sql", "--warehouse", str(warehouse), f"{SHOW_STARTED}; {FOREVER}"]
    asking = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    started(tmp_path)
    time.sleep(0.3)
    at = time.monotonic()
    asking.send_signal(2)
    _, errors = asking.communicate(timeout=30)
    assert time.monotonic() - at < 2
    assert asking.returncode == 1
    assert errors == "imagelake: interrupted\n"


def test_the_shell_s_libraries_are_imported_for_it_alone(warehouse: Path) -> None:
    """Neither `--help` nor a query waits for them."""
    for arguments in (["--help"], ["sql", "--warehouse", str(warehouse), "select 1"]):
        ended = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "flows.cli", *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
        assert "flows.options" in imported
        tops = {name.partition(".")[0] for name in imported}
        assert not tops & {"prompt_toolkit", "pygments"}
