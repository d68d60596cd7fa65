"""The command line: what it prints, where, and with which exit status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from extract.landing import landed_pages
from flows.loading import option_name
from flows.parameters import SnapshotParameters
from lake.warehouse import connect
from schemas import __version__
from schemas.tables import TABLES
from schemas.view import macros, views
from tests.command import UNTRACKED, Command

HOME, EAST, WEST = ACCOUNTS[0], REGIONS[0], REGIONS[1]
ROLE = "arn:aws:iam::{}:role/imagelake"


def test_a_run_says_what_it_took_and_where_it_is(
    imagelake: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """Its summary is on stdout; what it does meanwhile is on stderr. The defaults are below data/."""
    ended = imagelake("run")
    assert ended.returncode == 0
    snapshot, read, where = ended.stdout.splitlines()
    assert "complete: " in snapshot
    assert read.startswith("read ")
    assert where == (
        "lake data/lake; ask it with `imagelake sql --warehouse data/imagelake.duckdb`"
    )
    assert ended.stderr.splitlines()[:2] == [UNTRACKED, "reading 1 target"]
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"lake", "imagelake.duckdb"}
    assert emulator.requests()


def test_a_failed_target_ends_in_three_and_leads_the_status(
    imagelake: Command, emulator: Emulator
) -> None:
    """The run names it and what to do; the status lists it first, with what is known of it."""
    regions = ("--region", EAST, "--region", WEST)
    emulator.set_faults(f"{HOME}/{WEST}", {"always": "access_denied"})
    ended = imagelake("run", *regions)
    assert ended.returncode == 3
    assert (
        f"  {HOME}/{WEST} failed: AccessDeniedException on ListImageBuildVersions" in ended.stdout
    )

    status = json.loads(imagelake("status", "--format", "json").stdout)
    assert [(row["region"], row["status"]) for row in status] == [
        (WEST, "failed"),
        (EAST, "complete"),
    ]
    assert "AccessDeniedException" in status[0]["error_message"]
    assert status[0]["last_complete"] is None
    assert "partial" in imagelake("status").stdout


def test_the_status_forgets_that_an_accounts_regions_were_not_listed_once_they_are(
    imagelake: Command, emulator: Emulator
) -> None:
    """And leads with it again where they are not, once more."""
    asked = ("run", "--region", "all", *(f"--role-arn={ROLE.format(a)}" for a in ACCOUNTS[:2]))
    read = [(account, region, "complete") for account in ACCOUNTS[:2] for region in sorted(REGIONS)]
    unlisted = (ACCOUNTS[1], "all", "failed")
    told = []
    for day, is_denied in ((16, True), (17, False), (18, True)):
        emulator.set_faults(f"{ACCOUNTS[1]}/*", {"list_regions_denied": is_denied})
        assert imagelake(*asked, "--date", f"2025-11-{day}").returncode == (3 if is_denied else 0)
        status = json.loads(imagelake("status", "--format", "json").stdout)
        told.append([(row["account_id"], row["region"], row["status"]) for row in status])
    before, listed, after = told
    assert (before[0], sorted(before[1:])) == (unlisted, read[: len(REGIONS)])
    assert sorted(listed) == read
    assert (after[0], sorted(after[1:])) == (unlisted, read)


def test_a_listing_goes_on_at_the_token_that_was_printed(
    imagelake: Command, emulator: Emulator
) -> None:
    ended = imagelake("run", "--max-items", "50")
    assert ended.returncode == 3
    (line,) = (line for line in ended.stdout.splitlines() if "--starting-token" in line)
    ended = imagelake("run", *line.partition("go on with ")[2].split())
    assert ended.returncode == 0
    counted = imagelake("sql", "select coverage from current_targets", "--format", "csv")
    assert counted.stdout == "coverage\nwhole\n"
    ended = imagelake("run", "--max-items", "50")
    assert "    shown instead: " in ended.stdout
    assert "go on with" not in ended.stdout  # what shows is whole
    assert emulator.requests()


def test_a_flag_wins_over_a_variable_over_the_file_over_the_default(
    imagelake: Command, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told by what the snapshot's own parameters say."""
    (tmp_path / "c.toml").write_text("page-size = 10\nmax-items = 10\nconcurrency = 1\n")
    monkeypatch.setenv("IMAGELAKE_MAX_ITEMS", "20")
    monkeypatch.setenv("IMAGELAKE_CONCURRENCY", "2")
    assert imagelake("run", "--config", "c.toml", "--concurrency", "3").returncode == 3
    with connect(tmp_path / "data" / "imagelake.duckdb") as connection:
        (given,) = connection.execute("select parameters from snapshots").fetchall()
    assert json.loads(given[0]) == {"page_size": 10, "max_items": 20, "concurrency": 3}
    assert emulator.requests()


def test_every_parameter_is_an_option_that_says_what_it_is(imagelake: Command) -> None:
    """But for `accounts`, whose tables have their place in the file alone."""
    told = " ".join(imagelake("run", "--help").stdout.split())
    for name, field in SnapshotParameters.model_fields.items():
        if name == "accounts":
            continue
        assert f" {option_name(name)} " in told
        assert str(field.description).split(":")[0] in told


def test_no_secret_is_kept_or_shown(
    imagelake: Command, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither on success nor in a refusal; neither in files, nor inside their compressed pages."""
    secrets = ("external-s3cret", "session-s3cret", "key-s3cret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", secrets[1])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secrets[2])
    emulator.set_faults("*", {"external_id": secrets[0]})
    role = ("--role-arn", emulator.role_arns()[1])
    taken = imagelake("run", *role, "--external-id", secrets[0])
    refused = imagelake("run", *role, "--external-id", f"not-{secrets[0]}")
    assert (taken.returncode, refused.returncode) == (0, 1)

    said = "".join(ended.stdout + ended.stderr for ended in (taken, refused))
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    held = [path.read_bytes() for path in files]
    held += [
        page.read_body()
        for folder in {path.parent for path in files if path.suffix == ".arrows"}
        for page in landed_pages(folder)
    ]
    with connect(tmp_path / "data" / "imagelake.duckdb") as connection:
        said += "".join(repr(connection.table(name).fetchall()) for name in TABLES)
    for secret in secrets:
        assert secret not in said
        assert not any(secret.encode() in content for content in held)


def test_every_view_is_listed_and_can_be_looked_up(imagelake: Command) -> None:
    listed = imagelake("views").stdout
    for view in views():
        assert f"{view.name}\n    {view.purpose}\n    grain: {view.grain}\n" in listed
    assert "\nimage_amis (table)\n    The AMIs that the builds of every snapshot list.\n" in listed
    told = imagelake("views", "golden_amis").stdout.splitlines()
    assert told[0].startswith("golden_amis: The AMI to launch now")
    assert told[1].startswith("grain: one row an image, AMI region and AMI account (")
    assert "  ami_id               VARCHAR      The AMI's id (`ami-…`)." in told
    query = (
        "select name, semantic_version, build_number, ami_id from golden_amis where ami_region = "
        "'eu-west-1' order by name"
    )
    assert told[-6:] == [
        *(
            "",
            "example: Which AMI is to be launched in eu-west-1?",
            f"  {query}",
            "",
            "run it:",
            f'  imagelake sql "{query}"',
        )
    ]


def test_views_are_told_as_json(imagelake: Command) -> None:
    told = json.loads(imagelake("views", "--format", "json").stdout)
    assert {entry["name"] for entry in told} == {view.name for view in (*views(), *macros())} | set(
        TABLES
    )
    one = json.loads(imagelake("views", "image_amis", "--format", "json").stdout)
    assert one == next(entry for entry in told if entry["name"] == "image_amis")
    assert one["columns"][1] == {
        "name": "run_id",
        "type": "VARCHAR",
        "comment": "The run that wrote the row.",
    }


def test_the_version_is_told(imagelake: Command) -> None:
    assert imagelake("--version").stdout == f"imagelake {__version__}\n"


def test_an_untracked_run_is_quick_and_never_imports_prefect(
    emulator: Emulator, tmp_path: Path
) -> None:
    """Prefect takes seconds to import; a small account's snapshot takes less than that."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "flows.cli", "run"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=10,  # it takes about 2 s; the rest is for a busy machine
        check=False,
    )
    assert ended.returncode == 0
    imported = {
        line.rpartition("|")[2].strip()
        for line in ended.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "flows.pipeline" in imported
    assert {name for name in imported if name.partition(".")[0] == "prefect"} == set()
    assert emulator.requests()
