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


BAD_INPUT = {
    "a region that is none": (
        ["run", "--region", "eu-west-7"],
        "--region 'eu-west-7': not a region that this version of boto3 knows; did you mean eu-west",
    ),
    "no image version's ARN": (
        ["run", "--image-version-arn", "arn:aws:imagebuilder"],
        "--image-version-arn 'arn:aws:imagebuilder': not an image version's ARN; expected arn:aws:",
    ),
    "no role's ARN": (
        ["run", "--role-arn", "imagelake"],
        "--role-arn 'imagelake': not a role's ARN; expected arn:aws:iam::123456789012:role/NAME",
    ),
    "a filter without a value": (
        ["run", "--filter", "platform"],
        "--filter 'platform': expected NAME=VALUE[,VALUE…]",
    ),
    "an unknown filter": (
        ["run", "--filter", "plattform=Linux"],
        "--filter 'plattform' is no filter; did you mean 'platform'?",
    ),
    "no date": (["run", "--date", "20th"], "--date '20th': not a date; expected YYYY-MM-DD"),
    "a lake that cannot be written": (
        ["run", "--lake", "/proc/imagelake"],
        "--lake '/proc/imagelake': ",
    ),
    "a lake that is a file": (["run", "--lake", "file"], "--lake 'file': "),
    "a warehouse that is something else": (
        ["run", "--warehouse", "file"],
        "--warehouse 'file': the file is no warehouse of imagelake; remove it or give another",
    ),
    "broken TOML": (
        ["run", "--config", "broken.toml"],
        "--config 'broken.toml': no valid TOML: Invalid value (at line 2, column 8)",
    ),
    "an unknown key": (
        ["run", "--config", "unknown.toml"],
        "--config 'unknown.toml': unknown key 'pagesize'; did you mean 'page-size'?",
    ),
    "a token for several targets": (
        ["run", "--starting-token", "t", "--region", EAST, "--region", WEST],
        "--starting-token: a token belongs to one target, and there are 2: give its --region",
    ),
    "a date to come": (
        ["run", "--date", "2999-01-01"],
        "--date '2999-01-01': it is still to come, and what is current would be of it until then; give",
    ),
    "a date before there was anything": (
        ["run", "--date", "1999-12-31"],
        "--date '1999-12-31': there was no Image Builder then; give a date from 2000-01-01 on",
    ),
    "a file of faults that is not there": (
        ["emulator", "--faults", "none.json"],
        "--faults 'none.json': No such file or directory; give another",
    ),
    "no warehouse": (["sql", "select 1"], "--warehouse 'data/imagelake.duckdb': there is none; "),
    "no such view": (
        ["views", "goldn_images"],
        "'goldn_images' is no view, table or macro; "
        "did you mean golden_images or golden_amis or container_images?",
    ),
    "a port that is none": (["emulator", "--clock", "noon"], "emulator: Invalid isoformat string"),
}


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize(("arguments", "words"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_a_mistake_is_one_line_that_names_option_and_value(
    imagelake: Command, tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "file").write_text("something else")
    (tmp_path / "broken.toml").write_text('lake = "l"\ndate = = 1\n')
    (tmp_path / "unknown.toml").write_text("pagesize = 10\n")
    ended = imagelake(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = (line for line in ended.stderr.splitlines() if line != UNTRACKED)
    assert line.startswith(f"imagelake: {words}")
    assert (tmp_path / "file").read_text() == "something else"
    assert not (tmp_path / "data").exists()


def test_no_credentials_is_a_usage_error_that_says_how_to_sign_in(
    imagelake: Command, emulator: Emulator
) -> None:
    secrets = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    assert set(secrets) <= set(emulator.environment())
    ended = imagelake("run", without=secrets)
    assert ended.returncode == 2
    first, line = ended.stderr.splitlines()
    assert first == UNTRACKED
    assert "no AWS credentials found; set AWS_PROFILE or " in line


def test_expired_credentials_commit_nothing_and_say_how_to_renew(
    imagelake: Command, emulator: Emulator, tmp_path: Path
) -> None:
    emulator.set_faults("*", {"always": "expired_token"})
    ended = imagelake("run")
    assert ended.returncode == 1
    assert "aws sso login" in ended.stderr.splitlines()[-1]
    assert ended.stderr.splitlines()[-1].startswith("imagelake: ")
    assert not (tmp_path / "data" / "lake" / "_commits").exists()


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


def test_a_narrow_run_over_a_whole_one_is_a_usage_error(
    imagelake: Command, emulator: Emulator
) -> None:
    assert imagelake("run", "--date", "2025-11-20").returncode == 0
    ended = imagelake("run", "--date", "2025-11-20", "--filter", "type=AMI")
    assert ended.returncode == 2
    assert (
        "imagelake: --filter, --image-version-arn, --owner: the lake has a snapshot" in ended.stderr
    )
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
