"""`python -m extract.emulator`: serves an emulated Image Builder endpoint in the foreground."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from extract.emulator.server import run
from extract.emulator.settings import ACCOUNTS, BUILDS, REGIONS, TOKEN_SECONDS, Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped; return 0, or 2 where the port or a value cannot be used."""
    options = _parser().parse_args(argv)
    try:
        run(_settings(options), _announce_json if options.announce_json else _announce)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"emulator: {error}\n")
        return 2
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    faults = json.loads(Path(options.faults).read_text("utf-8")) if options.faults else {}
    return Settings(
        port=options.port,
        seed=options.seed,
        accounts=tuple(options.accounts.split(",")),
        regions=tuple(options.regions.split(",")),
        builds=options.builds,
        clock=datetime.fromisoformat(options.clock) if options.clock else None,
        faults=faults,
        token_seconds=options.token_seconds,
        watch_stdin=options.watch_stdin,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m extract.emulator", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    add("--seed", type=int, default=1, help="the same seed and clock give the same fleet")
    add("--accounts", default=",".join(ACCOUNTS), help="account ids, the home account first")
    add("--regions", default=",".join(REGIONS), help="regions, each a target of each account")
    add("--builds", type=int, default=BUILDS, help="builds per target, about")
    add("--clock", help="ISO time the fleet is seen at (default: now, then fixed)")
    add("--faults", metavar="FILE.json", help="faults by ACCOUNT/REGION, ACCOUNT/*, */REGION, *")
    add("--token-seconds", type=float, default=TOKEN_SECONDS, help="how long page tokens last")
    add("--watch-stdin", action="store_true", help="stop when stdin ends")
    add("--announce-json", action="store_true", help="print the address as one line of JSON")
    return parser


def _announce(url: str) -> None:
    _write(f"Image Builder emulator at {url} (Ctrl-C stops it)\nexport AWS_ENDPOINT_URL={url}\n")


def _announce_json(url: str) -> None:
    _write(json.dumps({"url": url}) + "\n")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
