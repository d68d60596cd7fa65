"""The shell on a terminal: editing, history, completion and colours, by prompt_toolkit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Final

import duckdb
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import has_selection, is_searching
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.output import create_output
from pygments.lexers.sql import SqlLexer

from flows.completion import Vocabulary, candidates, vocabulary_of, word_before
from flows.session import Session
from flows.statements import is_command, is_ended, statements_of
from flows.terminal import printable, say

HISTORY: Final = "sql_history"

_GREETING: Final = (
    "Statements end with `;`. Tab completes, Ctrl-C cancels, `.help` says more, Ctrl-D leaves."
)
_PROMPT: Final = "imagelake> "
_CONTINUED: Final = "      ...> "
_MOST_HISTORY_BYTES: Final = 1_000_000


def run_prompt(session: Session) -> None:
    """Reads and does what is typed until Ctrl-D or `.quit`."""
    say(_GREETING)
    prompt: PromptSession[str] = PromptSession(
        _PROMPT,
        multiline=True,
        prompt_continuation=_CONTINUED,
        lexer=PygmentsLexer(SqlLexer),
        completer=_Completer(session),
        complete_while_typing=False,
        key_bindings=_bindings(),
        history=_history(),
        search_ignore_case=True,
        output=create_output(always_prefer_tty=True),  # where stdout is a file
    )
    while not session.is_over:
        try:
            typed = prompt.prompt()
        except KeyboardInterrupt:
            continue  # the line is cleared
        except EOFError:
            return
        try:
            for statement in statements_of(StringIO(typed, newline="\n")):
                session.take(statement)
                if session.is_over:
                    return
        except KeyboardInterrupt:
            say("interrupted")


class _Completer(Completer):
    """Completion by what the warehouse has when Tab is pressed."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Every candidate, in place of the word before the cursor."""
        del complete_event
        text, cursor = document.text, document.cursor_position
        replaced = -len(word_before(text[:cursor]))
        for found in candidates(text, cursor, self._session.relations(), self._vocabulary):
            if found.text.isprintable():
                meaning = printable(found.meaning)
                yield Completion(found.text, start_position=replaced, display_meta=meaning)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        try:
            return vocabulary_of(self._session.connection)
        except duckdb.Error:  # such as in a transaction that an error ended
            return Vocabulary((), ())


class _PrivateHistory(FileHistory):
    """What was typed, in a file that only the user can read; what names a secret is not kept."""

    def store_string(self, string: str) -> None:
        """Appends the text; a disk that is full ends no session."""
        if "secret" not in string.casefold():
            with suppress(OSError, UnicodeError):
                super().store_string(string)


def history_file() -> Path:
    """The file of what was typed: in the user's folder for state."""
    given = os.environ.get("XDG_STATE_HOME", "")
    state = Path(given) if given.startswith("/") else Path.home() / ".local" / "state"
    return state / "imagelake" / HISTORY


def _history() -> History:
    try:
        path = history_file()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
        _shorten(path)
    except (OSError, RuntimeError):  # no home, or none that can be written
        return InMemoryHistory()
    return _PrivateHistory(str(path))


def _shorten(path: Path) -> None:
    """Keeps the newer half of a history that has become long."""
    if path.stat().st_size > _MOST_HISTORY_BYTES:
        content = path.read_bytes()
        newer = content[content.index(b"\n# ", len(content) // 2) + 1 :]
        staged = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        staged.touch(mode=0o600)
        staged.write_bytes(newer)
        staged.replace(path)


def _bindings() -> KeyBindings:
    """Enter takes what has ended, and begins another line of what has not."""
    bindings = KeyBindings()

    @bindings.add("enter", filter=~has_selection & ~is_searching)
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        text = buffer.text
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.complete_state = None  # what is chosen in the menu stands
        elif not text.strip() or is_command(text) or is_ended(text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return bindings
