"""The command line: what it prints, where, and with which exit status."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from extract.landing import landed_pages
from flows.loading import option_name
from flows.parameters import SnapshotParameters
from lake.location import open_folder
from lake.warehouse import connect, publish
from schemas import __version__
from schemas.tables import TABLES
from schemas.view import macros, views
from tests.command import IMAGELAKE, Command

HOME, EAST, WEST = ACCOUNTS[0], REGIONS[0], REGIONS[1]
UNTRACKED = "not tracked by Prefect (no PREFECT_API_URL; see --track)"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse over a lake without a run, for questions that need no rows."""
    folder = tmp_path_factory.mktemp("published")
    publish(open_folder(str(folder / "lake")), folder / "imagelake.duckdb")
    return folder / "imagelake.duckdb"


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


def test_sql_prints_a_table_for_people_and_csv_or_json_for_programs(
    imagelake: Command, tmp_path: Path
) -> None:
    refused = imagelake("publish")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("imagelake: --lake 'data/lake': there is none")
    (tmp_path / "data/lake").mkdir(parents=True)
    assert imagelake("publish").stdout == "data/imagelake.duckdb: built\n"
    assert imagelake("publish").stdout == "data/imagelake.duckdb: up to date\n"
    query = "select 1 as n, null as nothing, '[b]' || chr(27) as odd, map {'k': 'v'} as tags"
    table = imagelake("sql", query).stdout
    assert [line.split() for line in table.splitlines() if line.strip() and "─" not in line] == [
        ["n", "nothing", "odd", "tags"],
        ["1", "NULL", "[b]\\x1b", '{"k":', '"v"}'],
        ["(1", "row)"],
    ]
    assert imagelake("sql", query, "--format", "csv").stdout == (
        'n,nothing,odd,tags\n1,,[b]\x1b,"{""k"": ""v""}"\n'
    )
    assert json.loads(imagelake("sql", query, "--format", "json").stdout) == [
        {"n": 1, "nothing": None, "odd": "[b]\x1b", "tags": {"k": "v"}}
    ]
    assert (tmp_path / "data" / "lake").is_dir()


def test_the_shell_reads_statements_and_an_error_ends_no_session(
    imagelake: Command, published: Path
) -> None:
    """Statements may take several lines; the last needs no semicolon."""
    sql = ("sql", "--warehouse", str(published))
    typed = "select\n  1 as a;\nselect nonsense;\n;\nselect ';' as b;\n.quit\nselect 9 as c;\n"
    ended = imagelake(*sql, "--format", "csv", text=typed)
    assert (ended.returncode, ended.stdout) == (2, "a\n1\nb\n;\n")  # a script sees the error
    assert ended.stderr.startswith("Binder Error: ")
    ended = imagelake(*sql, "--format", "csv", text="select 2 as a")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "a\n2\n", "")
    assert "golden_images" in imagelake(*sql, text=".views\n").stdout


def test_sql_answers_several_statements_one_after_the_other(
    imagelake: Command, published: Path
) -> None:
    """What went before an error stands; a statement without rows writes nothing."""
    sql = ("sql", "--warehouse", str(published), "--format", "csv")
    ended = imagelake(*sql, "set threads = 1; select ';' as a;\nselect 2 as b; -- the end")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "a\n;\nb\n2\n", "")
    ended = imagelake(*sql, "select 1 as a;\n\nselect\n  nope; select 3 as c")
    assert (ended.returncode, ended.stdout) == (2, "a\n1\n")
    assert ended.stderr == (
        'imagelake: Binder Error: Referenced column "nope" was not found because the FROM clause is '
        "missing\n\nLINE 4:   nope\n          ^\n"
    )


def test_sql_writes_parquet_to_a_pipe_or_a_file(
    imagelake: Command, published: Path, tmp_path: Path
) -> None:
    """A file's name says its form, unless the option does; the query may come on stdin."""
    sql = ("sql", "--warehouse", str(published))
    query = "select range as n, timestamptz '2025-11-20 12:00:00+00:00' as at from range(3)"
    rows = [{"n": n, "at": datetime(2025, 11, 20, 12, tzinfo=UTC)} for n in range(3)]
    with (tmp_path / "piped").open("wb") as out:
        command = [IMAGELAKE, *sql, query, "--format", "parquet"]
        subprocess.run(command, stdout=out, check=True)
    assert pq.read_table(tmp_path / "piped").to_pylist() == rows
    ended = imagelake(*sql, "--out", "a.parquet", text=query + ";\n")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "a.parquet: 3 rows\n")
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == rows
    assert imagelake(*sql, "select 1 as a", "--out", "a.json").returncode == 0
    assert json.loads((tmp_path / "a.json").read_text()) == [{"a": 1}]
    assert imagelake(*sql, "select 1 as a", "--out", "a.json", "--format", "csv").returncode == 0
    assert (tmp_path / "a.json").read_text() == "a\n1\n"
    assert imagelake(*sql, "select 1 as a", "--out", "table").returncode == 0
    assert (tmp_path / "table").read_text() == "a\n─\n1\n(1 row)\n"


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_reader_that_has_enough_is_no_error(published: Path, form: str) -> None:
    """As `head` has, after some lines of very many."""
    command = [IMAGELAKE, "sql", "--warehouse", str(published), "--format", form]
    for query in (["from range(100_000_000)"], []):
        if form == "parquet" and not query:
            continue
        asking = subprocess.Popen(
            [*command, *query],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert asking.stdin
        assert asking.stdout
        assert asking.stderr
        asking.stdin.write(b"" if query else b"from range(100_000_000);\n")
        asking.stdin.close()
        assert asking.stdout.read(4)
        asking.stdout.close()
        assert asking.stderr.read() == b""
        assert asking.wait(30) == 0


REFUSED_FILES = {
    "several statements": (
        ["select 1; select 2", "--out", "a.csv"],
        "QUERY: 2 statements, and a file holds the answer of one; give one",
    ),
    "no statement": (
        [" ;", "--format", "parquet"],
        "QUERY: 0 statements, and a file holds the answer of one; give one",
    ),
    "nothing to write": (
        ["set threads = 1", "--out", "a.csv"],
        "the statement has no rows to write",
    ),
    "no such folder": (
        ["select 1", "--out", "no/a.csv"],
        "'no/a.csv': cannot be written: No such file or directory",
    ),
    "a type that Parquet has not": (
        ["select interval 1 day as a", "--out", "a.parquet"],
        "column 'a' has the type INTERVAL, which Parquet cannot hold as it is; cast it to VARCHAR: "
        '"a"::varchar',
    ),
    "an unknown form": (
        ["select 1", "--format", "xml"],
        "Invalid value for '--format': 'xml' is not one of 'table', 'csv', 'json', 'parquet'; see "
        "`imagelake sql --help`",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), REFUSED_FILES.values(), ids=REFUSED_FILES)
def test_sql_says_in_a_line_what_it_cannot_write(
    imagelake: Command, published: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    ended = imagelake("sql", "--warehouse", str(published), *arguments)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"imagelake: {words}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_query_that_fails_leaves_the_file_as_it_was(
    imagelake: Command, published: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("before")
    query = (
        "select if(a = 1_500_000, error('midway'), a) from (select unnest(range(2_000_000)) as a)"
    )
    ended = imagelake("sql", "--warehouse", str(published), query, "--out", "a.csv")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "midway" in ended.stderr
    assert (tmp_path / "a.csv").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_what_is_no_text_is_refused_in_a_line(imagelake: Command, published: Path) -> None:
    sql = ("sql", "--warehouse", str(published))
    ended = imagelake(*sql, "select '\udcff'")
    assert (ended.returncode, ended.stderr) == (2, "imagelake: the statement is no valid UTF-8\n")
    for errors, words in (("surrogateescape", "the statement is"), ("strict", "imagelake: stdin:")):
        piped = subprocess.run(
            [IMAGELAKE, *sql],
            input=b"select '\xff';\n",
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": f"utf-8:{errors}"},
            check=False,
        )
        assert piped.returncode == 2
        assert piped.stderr.decode().startswith(f"{words} no valid UTF-8")


def test_a_script_may_use_the_shell_s_commands(imagelake: Command, published: Path) -> None:
    sql = ("sql", "--warehouse", str(published))
    script = ".format csv\nselect 1 as a;\n.save b.json\nselect 2 as b;\n.rows 1\nfrom range(3);\n"
    ended = imagelake(*sql, text=script)
    assert (ended.returncode, ended.stdout) == (0, "a\n1\nrange\n0\n")
    ended = imagelake(*sql, text=".nonsense\n.schema current_tags\n")
    assert ended.returncode == 2
    assert ended.stderr == "'.nonsense' is no command; .help lists them\n"
    assert "  tag_key        VARCHAR      The tag's key.\n" in ended.stdout


def test_sql_cannot_write_the_warehouse(imagelake: Command, published: Path) -> None:
    before = published.read_bytes()
    statements = (
        "create table t (a int)",
        "drop view image_builds",
        "create or replace view image_builds as select 1",
        "comment on view image_builds is 'x'",
    )
    ended = imagelake("sql", "--warehouse", str(published), text=";\n".join(statements))
    assert ended.stderr.count("read-only mode") == len(statements)
    assert imagelake("sql", "--warehouse", str(published), statements[0]).returncode == 2
    assert published.read_bytes() == before


def test_sql_that_is_wrong_says_where(imagelake: Command, published: Path) -> None:
    ended = imagelake("sql", "--warehouse", str(published), "select arn from image_bilds")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("imagelake: Catalog Error: ")
    assert "image_builds" in ended.stderr


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
