"""A benchmark measures whole processes, and its guard fails where one costs clearly more."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench.guard import FEW, MANY, Ratios, fallen_behind, ratios_of
from tests.bench.measure import Spent

PROJECT = Path(__file__).parents[1]

MEASURED = """
import json, sys
from pathlib import Path
from tests.bench.measure import spent_by
spent = spent_by([sys.executable, "-c", sys.argv[1]], Path(sys.argv[2]), {})
json.dump(spent._asdict(), sys.stdout)
"""

ENDED_BY_SIGTERM = """
import signal
from tests.bench.compare import end_by_signal
signal.signal(signal.SIGTERM, end_by_signal)
"""


def measured(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What `spent_by` says of a script, asked in a small process."""
    return subprocess.run(
        [sys.executable, "-c", MEASURED, script, str(folder)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )


def test_a_child_s_cpu_and_memory_count(tmp_path: Path) -> None:
    """The CPU of a child that burns some, and the memory that it has beside its parent's."""
    burn = (
        "import time; kept = bytearray(b'x') * (120 << 20)\nwhile time.process_time() < 0.5: pass"
    )
    parent = (
        "import subprocess, sys; kept = bytearray(b'x') * (80 << 20); "
        f"subprocess.run([sys.executable, '-c', {burn!r}], check=True)"
    )
    spent = json.loads(measured(parent, tmp_path).stdout)
    assert 0.5 <= spent["user"] + spent["system"] < 5
    assert spent["wall"] >= 0.5
    assert 180 <= spent["peak_mb"] < 300  # of either alone at most 140


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    ended = measured("import sys; sys.exit('no such region')", tmp_path)
    assert ended.returncode == 1
    assert "ended with 1\nno such region" in ended.stderr


def test_a_command_ends_with_who_measures_it(tmp_path: Path) -> None:
    """Its children too, though it leads a group of its own."""
    child = f"open({str(tmp_path / 'child')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    script = (
        "import os, subprocess, sys, time; "
        f"subprocess.run([sys.executable, '-c', {'import os, time; ' + child!r}])"
    )
    measuring = subprocess.Popen(
        [sys.executable, "-c", ENDED_BY_SIGTERM + MEASURED, script, str(tmp_path)], cwd=PROJECT
    )
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        assert measuring.poll() is None
        time.sleep(0.01)
    measuring.terminate()
    assert measuring.wait(10) == 143
    pid = int((tmp_path / "child").read_text())
    until = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < until
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether the process is there, and not only as one whose end nobody has asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_large_process_cannot_measure_a_small_one(tmp_path: Path) -> None:
    """The kernel would take its peak memory for the other's."""
    large = "kept = bytearray(b'x') * (200 << 20)\n" + MEASURED
    ended = subprocess.run(
        [sys.executable, "-c", large, "", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    assert ended.returncode == 1
    assert "the command's own is not known" in ended.stderr


KEPT = Ratios(start=1.2, build=0.5, peak=1.5)


def test_the_guard_s_ratios_are_of_starts_further_builds_and_memory() -> None:
    def spent(cpu: float, peak_mb: float) -> Spent:
        return Spent(cpu - 0.25, 0.25, 9.0, peak_mb)

    least = {
        (FEW, "imagelake"): spent(1.5, 200),
        (FEW, "boto3_from_pylist"): spent(1.0, 150),
        (MANY, "imagelake"): spent(2.5, 300),
        (MANY, "boto3_from_pylist"): spent(3.0, 200),
    }
    assert ratios_of(least) == Ratios(start=1.5, build=0.5, peak=1.5)


@pytest.mark.parametrize(
    ("now", "behind"),
    [
        (KEPT, []),
        (KEPT._replace(start=0.9, build=0.2, peak=1.0), []),
        (KEPT._replace(start=1.4, build=0.6, peak=1.8), []),
        (
            KEPT._replace(start=1.6),
            ["start: 1.60 times the plain script's, kept 1.20, allowed 1.50"],
        ),
        (
            KEPT._replace(build=0.8),
            ["build: 0.80 times the plain script's, kept 0.50, allowed 0.75"],
        ),
        (KEPT._replace(peak=2.0), ["peak: 2.00 times the plain script's, kept 1.50, allowed 1.88"]),
        (
            Ratios(start=3.0, build=3.0, peak=3.0),
            [
                "start: 3.00 times the plain script's, kept 1.20, allowed 1.50",
                "build: 3.00 times the plain script's, kept 0.50, allowed 0.75",
                "peak: 3.00 times the plain script's, kept 1.50, allowed 1.88",
            ],
        ),
    ],
)
def test_the_guard_tells_what_has_fallen_behind(now: Ratios, behind: list[str]) -> None:
    found = fallen_behind(now, KEPT)
    assert [words.partition(";")[0] for words in found] == behind
    assert all(words.endswith("make bench KEEP=1") for words in found)


SLOW_START = "burn(3)"
SLOW_BUILDS = """
from extract.reading import BuildReader
read = BuildReader.read
def slow(reader, bodies):
    burn(0.03 * len(bodies))
    return read(reader, bodies)
BuildReader.read = slow
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("part", "slowed"), [("start", SLOW_START), ("build", SLOW_BUILDS)], ids=["start", "build"]
)
def test_the_guard_fails_where_it_costs_more(tmp_path: Path, part: str, slowed: str) -> None:
    """Three seconds more for the command, or thirty milliseconds more a page of 100 builds."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, time\n"
        "def burn(seconds):\n"
        "    until = time.process_time() + seconds\n"
        "    while time.process_time() < until: pass\n"
        "if any(part.endswith('bin/imagelake') for part in sys.orig_argv):\n"
        f"    exec({slowed!r}, globals())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "tests.bench.guard", "1"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(PROJECT)])},
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    assert ended.returncode == 1
    assert re.search(f"^{part}: [0-9.]+ times the plain script's", ended.stderr, re.MULTILINE)
