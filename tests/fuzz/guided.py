"""`python -m tests.fuzz.guided [libFuzzer's options]`: the decoder under coverage-guided fuzzing.

Runs in an environment of its own, which has atheris: `make fuzz-decoder` makes it. Begins with the
pages of the tests' stories; stops at the first crash, hang or loss, and keeps its input.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(
    include=["extract.decode", "extract.flatten", "extract.parse", "extract.reading"]
):
    from tests.fuzz.decoder import WORDS, check_body, story_pages

from extract.decode import BUILD


def main() -> None:
    """Fuzzes until libFuzzer's options say to stop."""
    with TemporaryDirectory() as folder:
        work, seeds, words = (Path(folder) / name for name in ("work", "seeds", "words"))
        seeds.mkdir()
        for number, body in enumerate(story_pages()):
            (seeds / f"{number:03}").write_bytes(body)
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in (*WORDS, *_member_names())))
        given = [*sys.argv, f"-dict={words}", "-max_len=16384", "-timeout=30", str(seeds)]
        atheris.Setup(given, lambda body: _check(body, work))
        atheris.Fuzz()


def _check(body: bytes, work: Path) -> None:
    check_body(body, work)


def _member_names() -> list[str]:
    """The members that a column holds, on every level that has a type."""
    return sorted(set(_names_below(BUILD)))


def _names_below(kind: type) -> list[str]:
    names: list[str] = []
    for name, hint in kind.__annotations__.items():
        names.append(f'"{name}":')
        for inner in getattr(hint, "__args__", ()):
            for found in (inner, *getattr(inner, "__args__", ())):
                if hasattr(found, "__struct_fields__"):
                    names += _names_below(found)
    return names


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"')


if __name__ == "__main__":
    main()
