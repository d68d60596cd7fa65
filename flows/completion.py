"""What the word at the cursor of a statement may become, the likeliest first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import duckdb

from flows.catalog import MACRO, Relation
from flows.formats import Format
from flows.session import COMMANDS
from flows.statements import COMMENT, Token, tokens

_WORD: Final = re.compile(r"\w*\Z")
_COMMAND: Final = re.compile(r"\s*(\.\w*)\Z")
_PROBE: Final = "x"
"""A letter in place of the cursor: the token that it ends says where the cursor is."""
_BEFORE_RELATIONS: Final = {"from", "join", "describe", "summarize", "table"}
_NO_ALIASES: Final = {
    *("where", "join", "using", "on", "group", "order", "limit", "left", "right", "full", "inner"),
    *("cross", "semi", "anti", "asof", "positional", "qualify", "having", "union", "select"),
}
_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True)
class Candidate:
    """A text for the word at the cursor, and what it is."""

    text: str
    meaning: str


@dataclass(frozen=True)
class Vocabulary:
    """What is completed whatever the warehouse: keywords, the reserved ones first, and functions."""

    keywords: tuple[str, ...]
    functions: tuple[str, ...]


def vocabulary_of(connection: duckdb.DuckDBPyConnection) -> Vocabulary:
    """The keywords and functions of the DuckDB that is asked; nothing that is not a plain word."""
    keywords = connection.execute(
        "select keyword_name from duckdb_keywords() "
        "order by keyword_category = 'reserved' desc, keyword_name"
    ).fetchall()
    functions = connection.execute(
        "select distinct function_name from duckdb_functions() where internal order by all"
    ).fetchall()
    plain = [name for (name,) in functions if _PLAIN.fullmatch(name)]
    return Vocabulary(tuple(dict.fromkeys(word for (word,) in keywords)), tuple(plain))


def candidates(
    text: str, cursor: int, relations: Mapping[str, Relation], known: Vocabulary
) -> Iterator[Candidate]:
    """What the word before the cursor may become; nothing inside a string, a comment or a number."""
    before = text[:cursor]
    if before.lstrip().startswith("."):
        yield from _of_command(before.lstrip(), relations)
        return
    word = word_before(before)
    context = tokens(before + _PROBE)
    is_word = bool(context) and context[-1].start == len(before) - len(word)
    if not is_word or context[-1].kind in (COMMENT, "string_const", "numeric_const"):
        return
    statement = _around(text, cursor)
    offered = _offered(word, context[:-1], statement, relations, known)
    seen = set()
    for candidate in offered:
        lower = candidate.text.lower()
        if lower.startswith(word.lower()) and lower not in seen:
            seen.add(lower)
            yield candidate


def word_before(text: str) -> str:
    """The word that the text ends with; a command's has a dot."""
    command = _COMMAND.match(text)
    found = _WORD.search(text)
    return command[1] if command else found[0] if found else ""


def _offered(
    word: str,
    before: list[Token],
    statement: list[Token],
    relations: Mapping[str, Relation],
    known: Vocabulary,
) -> Iterator[Candidate]:
    """All that fits the place, the likeliest first; a place without a word gets the names alone."""
    last = before[-1].word.lower() if before else ""
    mentioned = _mentioned(statement, relations)
    if last == "." and len(before) > 1:
        owner = before[-2].word.strip('"').lower()
        if owner in mentioned:
            yield from _columns([mentioned[owner]])
        within = f"{owner}."
        inside = [relation for name, relation in relations.items() if name.startswith(within)]
        for offer in _names(inside):
            yield Candidate(offer.text.removeprefix(within), offer.meaning)
        return
    if last not in _BEFORE_RELATIONS:
        yield from _columns(mentioned.values())
    yield from _names(relations.values())
    if not word or last in _BEFORE_RELATIONS:
        return
    as_typed = str.upper if word.isupper() else str.lower
    yield from (Candidate(as_typed(keyword), "keyword") for keyword in known.keywords)
    yield from (Candidate(f"{name}(", "function") for name in known.functions)
    yield from _columns(relations.values())


def _mentioned(statement: list[Token], relations: Mapping[str, Relation]) -> dict[str, Relation]:
    """The relations that the statement names, by their names and by the aliases that it gives them."""
    found: dict[str, Relation] = {}
    for place, token in enumerate(statement):
        name = token.word.strip('"').lower()
        is_within = place > 1 and statement[place - 1].word == "."
        within = statement[place - 2].word.strip('"').lower() if is_within else ""
        relation = relations.get(f"{within}.{name}") or relations.get(name)
        if relation is None:
            continue
        found[name] = relation
        following = [later.word.strip('"').lower() for later in statement[place + 1 : place + 3]]
        alias = following[1] if following[:1] == ["as"] and len(following) > 1 else following[:1]
        for other in [alias] if isinstance(alias, str) else alias:
            if _PLAIN.fullmatch(other) and other not in _NO_ALIASES:
                found[other] = relation
    return found


def _around(text: str, cursor: int) -> list[Token]:
    """The tokens of the statement that the cursor is in."""
    statement: list[Token] = []
    for token in tokens(text):
        if token.word != ";":
            statement.append(token)
        elif token.start < cursor:
            statement = []
        else:
            break
    return statement


def _columns(relations: Iterable[Relation]) -> Iterator[Candidate]:
    for relation in relations:
        for column in relation.columns:
            yield Candidate(_quoted(column.name), f"{relation.name}: {column.type}")


def _names(relations: Iterable[Relation]) -> Iterator[Candidate]:
    for relation in relations:
        suffix = "(" if relation.kind == MACRO else ""
        name = ".".join(map(_quoted, relation.name.split(".")))
        yield Candidate(name + suffix, relation.kind)


def _quoted(name: str) -> str:
    """The name as a query has to spell it."""
    return name if _PLAIN.fullmatch(name.lower()) else '"' + name.replace('"', '""') + '"'


def _of_command(before: str, relations: Mapping[str, Relation]) -> Iterator[Candidate]:
    command, space, word = before.partition(" ")
    if not space:
        offered = [Candidate(name, words) for name, (_, words) in COMMANDS.items()]
        word = command.lower()
    elif command == ".format":
        offered = [Candidate(form, "form") for form in Format if form is not Format.PARQUET]
    elif command == ".schema":
        offered = [Candidate(name, relation.kind) for name, relation in relations.items()]
    else:
        return
    yield from (offer for offer in offered if offer.text.startswith(word.strip().lower()))
