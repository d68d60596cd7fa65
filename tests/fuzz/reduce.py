"""The smallest JSON value that is still wrong, found by leaving out one thing after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

TRIES: Final = 400


def reduced(value: Any, is_wrong: Callable[[Any], bool], tries: int = TRIES) -> Any:
    """`value`, or a smaller one that is wrong as well; asks no more often than `tries`."""
    while True:
        for smaller in _smaller(value):
            tries -= 1
            if tries < 0:
                return value
            if is_wrong(smaller):
                value = smaller
                break
        else:
            return value


def _smaller(value: Any) -> Iterator[Any]:
    """Values with something left out, those that leave out most first."""
    if isinstance(value, list):
        yield from _shorter(value)
        for position, item in enumerate(value):
            for smaller in _smaller(item):
                yield [*value[:position], smaller, *value[position + 1 :]]
    elif isinstance(value, dict):
        yield from map(dict, _shorter(list(value.items())))
        for name, member in value.items():
            for smaller in _smaller(member):
                yield {**value, name: smaller}
    elif isinstance(value, str) and len(value) > 1:
        half = len(value) // 2
        yield from (value[:half], value[half:], value[1:], value[:-1])


def _shorter(items: list[Any]) -> Iterator[list[Any]]:
    size = len(items)
    while size:
        for start in range(0, len(items), size):
            yield items[:start] + items[start + size :]
        size //= 2
