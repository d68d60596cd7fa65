"""A place on this machine, as its path: `~` is the home folder, and what is a URL is refused.

No shell has read what a file of parameters or a variable holds, nor the value of `--lake=~/lake`. To
Python `~` is a folder's name like any other, to DuckDB the home folder, and `s3://` a folder `s3:`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def local_path(place: str | Path) -> Path:
    """The path, with the home folder written out; a relative one stays relative.

    Doing it twice is the same as doing it once: a folder whose own name begins with `~`, `./~x`, is
    told by its absolute path. Raises ValueError for a URL, and as `expanded` does.
    """
    text = str(place)
    if _URL.match(text):
        raise ValueError("only a lake may be at a URL; give a path on this machine")
    path = Path(expanded(text))
    return path.absolute() if str(path).startswith("~") else path


def expanded(place: str) -> str:
    """The place, whose leading `~` or `~user` is written out as the home folder; any other as it is.

    Raises ValueError where no such folder is known.
    """
    if not place.startswith("~"):
        return place
    owner, _, below = place.partition("/")
    home = os.path.expanduser(owner)  # noqa: PTH111 - Path's raises RuntimeError
    if owner == "~" and (not home.startswith("/") or os.environ.get("HOME") == ""):
        raise ValueError("the home folder is not known; set HOME, or give the whole path")
    if not home.startswith("/"):
        raise ValueError(
            f"there is no user {owner[1:]!r}; give the whole path, or {'./' + place!r} for a folder "
            "of that name"
        )
    return str(Path(f"{home.rstrip('/')}/{below}"))
