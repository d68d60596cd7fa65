"""The analysis views in words: what each answers, its grain, columns and an example query."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from flows.parameters import ParameterError
from lake.definitions import view_columns
from schemas.view import View, column_comment, views


def describe_all() -> Iterator[str]:
    """Each view with its purpose and grain, by name."""
    for view in sorted(views(), key=lambda view: view.name):
        yield f"{view.name}\n    {view.purpose}\n    grain: {view.grain}"


def describe_one(name: str) -> Iterator[str]:
    """The view's purpose, grain, columns and example. Raises ParameterError where there is none."""
    view = _named(name)
    yield f"{view.name}: {view.purpose}"
    yield f"grain: {view.grain}"
    yield ""
    for column, sql_type in view_columns()[view.name]:
        yield f"  {column} {sql_type}: {column_comment(view, column)}"
    yield ""
    yield f"example: {view.asks}".rstrip()
    yield f"  {view.example}"


def _named(name: str) -> View:
    by_name = {view.name: view for view in views()}
    if name not in by_name:
        near = get_close_matches(name, by_name, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; `imagelake views` lists them"
        raise ParameterError(f"{name!r} is no view{hint}")
    return by_name[name]
