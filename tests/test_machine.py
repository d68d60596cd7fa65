"""What a run may use is what its container is given, where that is less than the machine has."""

import os
from pathlib import Path

import pytest

from flows import machine

GROUP = "system.slice/run.scope"


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the control groups of a machine of 8 cores with 1000 kB to be had."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "self/cgroup").write_text(f"0::/{GROUP}\n")
    (proc / "meminfo").write_text("MemTotal:     2000 kB\nMemAvailable:    1000 kB\n")
    (groups / GROUP).mkdir(parents=True)
    monkeypatch.setattr(machine, "PROC", proc)
    monkeypatch.setattr(machine, "CGROUPS", groups)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return groups


@pytest.mark.parametrize(
    ("own", "above", "cores"),
    [
        (None, None, 8),
        ("max 100000", "max 100000", 8),
        ("150000 100000", None, 2),
        ("400000 100000", "50000 100000", 1),
        ("1600000 100000", None, 8),
        ("", "unreadable", 8),
    ],
)
def test_cores_are_those_that_the_quota_pays_for(
    groups: Path, own: str | None, above: str | None, cores: int
) -> None:
    write(groups, "cpu.max", own, above)
    assert machine.cores() == cores


@pytest.mark.parametrize(
    ("own", "above", "bytes_"),
    [
        (None, None, 1_024_000),
        ("max", None, 1_024_000),
        ("512000", "max", 512_000),
        ("512000", "4096", 4_096),
        ("9999999999", None, 1_024_000),
    ],
)
def test_memory_is_what_is_free_or_the_limit(
    groups: Path, own: str | None, above: str | None, bytes_: int
) -> None:
    write(groups, "memory.max", own, above)
    assert machine.memory_bytes() == bytes_


def test_a_container_that_does_not_see_its_groups_name_has_its_limits_at_the_root(
    groups: Path,
) -> None:
    (groups.parent / "proc/self/cgroup").write_text("0::/docker/abc\n")
    (groups / "cpu.max").write_text("200000 100000\n")
    assert machine.cores() == 2


def test_where_nothing_is_told_nothing_is_made_up(
    tmp_path: Path, groups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert groups
    monkeypatch.setattr(machine, "PROC", tmp_path / "nowhere")
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "nowhere")
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert (machine.cores(), machine.memory_bytes()) == (1, None)


def write(groups: Path, name: str, own: str | None, above: str | None) -> None:
    for folder, text in ((groups / GROUP, own), (groups / "system.slice", above)):
        if text is not None:
            (folder / name).write_text(f"{text}\n")
