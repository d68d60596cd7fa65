"""What `make readme` generates and a test checks: parts of the README, and the views' columns."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from flows.questions import README, questions
from lake.assembly import assembled
from schemas.table import OURS, REST, Column, Table
from schemas.tables import TABLES
from schemas.view import COLUMNS, macros, views
from tests.bench import plots, results

SCHEMAS = Path(__file__).parents[1] / "schemas"
COMMANDS = (
    *("run", "serve", "check", "sql", "status", "publish", "rebuild", "maintain", "rollback"),
    *("views", "export", "report", "superset-bundle", "emulator"),
)


def with_generated_parts(text: str) -> str:
    """The README with its dictionary, views and commands as the code has them, and kept results."""
    for name, lines in (
        ("dictionary", _dictionary()),
        ("views", _views()),
        ("view questions", _view_questions()),
        ("commands", _commands()),
        ("benchmark", results.lines(results.load())),
    ):
        text = replace_part(text, name, "\n".join(lines))
    return text


def with_demo(text: str, printed: str) -> str:
    """The README with what `make demo` printed: its snapshots, then each question's answer."""
    asked = questions()
    history = printed.partition(f"\n{asked[0].asks}\n")[0].rstrip()
    text = replace_part(text, "demo", f"```text\n$ make demo\n{history}\n```")
    for question in asked:
        answer = printed.partition(f"\n{question.asks}\n")[2].partition(" row")[0]
        rows = answer.rpartition("(")[2]
        shown = f"{answer} row{'' if rows == '1' else 's'})\n"
        block = f"```sql\n{question.sql}```\n\n```text\n"
        text = text.replace(f"{block}{question.answer}```", f"{block}{shown}```")
    return text


def run_demo(folder: Path) -> str:
    """What `make demo` prints, its data in `folder`."""
    command = [sys.executable, "-m", "flows.demo", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def replace_part(text: str, name: str, content: str) -> str:
    """The text with `content` between the marks of `name`."""
    marks = re.compile(rf"(<!-- begin: {name} -->\n).*?(<!-- end: {name} -->)", re.DOTALL)
    return marks.sub(lambda match: f"{match[1]}{content}\n{match[2]}", text)


def found_columns() -> dict[str, dict[str, str]]:
    """By view and table macro, its columns and their SQL types as DuckDB finds them, without a lake."""
    with duckdb.connect() as connection:
        for statement in assembled({}, declared={}):
            connection.execute(statement)
        calls = {view.name: view.name for view in views()} | {
            macro.name: f"(from {macro.name}({', '.join('null' for _ in macro.parameters)}))"
            for macro in macros()
        }
        return {
            name: {
                column: sql_type
                for column, sql_type, *_ in connection.execute(f"describe {call}").fetchall()
            }
            for name, call in calls.items()
        }


def written_columns(columns: dict[str, dict[str, str]]) -> str:
    """As JSON, a line a view, by name."""
    lines = (f"{json.dumps(name)}: {json.dumps(columns[name])}" for name in sorted(columns))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def section(text: str, title: str) -> str:
    """The part under a heading of the second level, up to the next one."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def code_blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def _dictionary() -> list[str]:
    return [line for table in TABLES.values() for line in _table(table)]


def _table(table: Table) -> list[str]:
    return [
        f"### {table.name}",
        "",
        f"{table.grain[0].upper()}{table.grain[1:]}. Key: {', '.join(table.key)}.",
        "",
        "| column | type | from | meaning |",
        "|---|---|---|---|",
        *(_row(column) for column in table.documented_columns),
        "",
    ]


def _row(column: Column) -> str:
    source = {OURS: "", REST: "all else"}.get(column.source, f"`{column.source}`")
    return (
        f"| `{column.name}` | {column.sql_type} | {source} | {column.doc.replace('|', '&#124;')} |"
    )


def _views() -> list[str]:
    lines = ["| view | answers | grain |", "|---|---|---|"]
    for view in sorted(views(), key=lambda view: view.name):
        lines.append(f"| `{view.name}` | {view.purpose} | {view.grain} |")
    return lines


def _view_questions() -> list[str]:
    """Each view's question as a comment, and the query that answers it."""
    lines = ["```sql"]
    for view in sorted(views(), key=lambda view: view.name):
        lines += [f"-- {view.name}: {view.asks}".rstrip(" :"), f"{view.example};", ""]
    return [*lines[:-1], "```"]


def _commands() -> list[str]:
    lines = []
    for command in COMMANDS:
        lines += ["```text", f"$ imagelake {command} --help", _help(command), "```", ""]
    return lines


def _help(command: str) -> str:
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    printed = subprocess.run(
        [Path(sys.executable).with_name("imagelake"), command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout
    return "\n".join(line.rstrip() for line in printed.strip().splitlines())


def main(*, is_results_only: bool) -> None:
    """Writes the README's generated parts, its drawings and, unless told not to, what the demo says.

    The views' columns come first: the demo's warehouse is made by them.
    """
    SCHEMAS.joinpath(COLUMNS).write_text(written_columns(found_columns()))
    text = with_generated_parts(README.read_text())
    if not is_results_only:
        with TemporaryDirectory() as folder:
            text = with_demo(text, run_demo(Path(folder) / "demo"))
    plots.write(results.load())
    README.write_text(text)


if __name__ == "__main__":
    main(is_results_only="--results" in sys.argv)
