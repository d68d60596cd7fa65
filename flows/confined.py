"""What may be asked where the warehouse is shared with people who may see the lake and nothing else.

DuckDB itself keeps such a connection to the lake's files (`lake.opening.confine`). But it would write
there as well as read, it obeys functions that turn its logs on, and in S3 it takes a path out of the
lake by `..` for one within. So only questions of what the warehouse has are let through.
"""

from __future__ import annotations

import re
from typing import Final

from flows.statements import COMMENT, Token, tokens

OPTION: Final = "--no-external"

_FIRST: Final = {
    *("select", "from", "with", "values", "table", "(", "pivot", "unpivot"),
    *("describe", "desc", "show", "summarize", "explain"),
    *("begin", "start", "commit", "end", "rollback", "abort"),
}
"""What a statement that only asks begins with."""
_WORDS: Final = {"copy", "export", "call", "pragma", "create", "execute", "prepare"}
"""What does more, inside of `explain analyze …` or, in DuckDB 2.0, of `with … as (copy …)`."""
_OF_FILES: Final = re.compile(r"read_\w+|parquet_\w+|glob|sniff_csv|\w+_scan(_dumb)?")
"""Functions that read files, or memory by its address. The views' own are not in what is asked."""
_DOING: Final = {
    *("enable_logging", "disable_logging", "truncate_duckdb_logs"),
    *("enable_profiling", "disable_profiling", "checkpoint", "force_checkpoint"),
    *("query", "query_table", "json_execute_serialized_sql"),  # run or read text of no telling
    *("duckdb_secrets", "which_secret"),  # whose the bucket's key is
}
"""Functions that write files, tell more than the lake, or change what the process does."""
_UP: Final = re.compile(r"""(?<![^/'"$])\.\.(?![^/'"$])|^[eE]'.*\\[xuU0-7]""", re.DOTALL)
"""A path that leads upwards, or may by an escape."""


def refusal(text: str) -> str | None:
    """Why the statement may not be asked, in one line; None where it may be.

    Names in quotes and words in strings are no words of the statement, whatever they say; a function
    is one in quotes too.
    """
    found = [token for token in tokens(text) if token.kind != COMMENT]
    if not found or found[0].word.lower() not in _FIRST:
        said = found[0].word.upper() if found else "what is no statement"
        return (
            f"{OPTION}: {said} is refused: only questions are answered (SELECT, FROM, DESCRIBE …)"
        )
    for token, following in zip(found, [*found[1:], Token(len(text), "", "")], strict=True):
        word = token.word.lower()
        name = word.strip('"')
        if word in _WORDS:
            return f"{OPTION}: {word.upper()} is refused: only questions are answered"
        if following.word == "(" and (name in _DOING or _OF_FILES.fullmatch(name)):
            return f"{OPTION}: {name}() is refused: ask the views and tables"
        is_quoted = token.kind == "string_const" or word.startswith('"')
        if is_quoted and _may_lead_up(text[token.start : following.start]):
            return f"{OPTION}: a path with .. is refused: ask the views and tables"
    return None


def _may_lead_up(literal: str) -> bool:
    """Whether the literal has a `..`, or is of parts (`'a'` newline `'b'`) that may make one."""
    return bool(_UP.search(literal)) or literal.replace("''", "").count("'") > 2
