"""A lake in S3 through the command line: what a lake in a folder does, and nothing secret in it."""

import re
import signal
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pytest

from extract.asks import LIST_BUILDS
from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from extract.landing import landed_pages
from flows.answers import write_answer
from flows.formats import Format
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from flows.summary import exit_status
from lake.effects import Effects, Found, effects, shown_before
from lake.warehouse import connect
from tests.aws import Moto
from tests.conftest import CLOCK
from tests.fleet_rows import QUERIES
from tests.interrupted import wait_for
from tests.s3 import REGION, client, environment, new_bucket, proxy
from tests.s3_lake import DATE, World
from tests.test_secrets import KEY, TOKEN, held

HOME, EAST, WEST = ACCOUNTS[0], REGIONS[0], REGIONS[1]


@pytest.fixture(scope="module")
def world(
    s3: Moto, shared_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A snapshot of two regions, then one six hours later to which a region was denied."""
    folder = tmp_path_factory.mktemp("s3lake")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            **shared_emulator.environment(),
            **environment(s3.url, folder / "cache"),
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_SESSION_TOKEN": TOKEN,
        }.items():
            patch.setenv(name, value)
        world = World(s3, shared_emulator, new_bucket(s3), folder)
        _take_two(world, lambda status: world.imagelake("run", *SCOPE, status=status))
        yield world


SCOPE = ("--date", DATE, "--region", EAST, "--region", WEST)


def _take_two(world: World, run: Callable[[int], object]) -> None:
    world.emulator.clear_faults()
    world.emulator.set_clock(CLOCK)
    run(0)
    world.emulator.set_clock(CLOCK + timedelta(hours=6))
    world.emulator.set_faults(f"{HOME}/{WEST}", {"always": "access_denied"})
    run(3)
    world.emulator.clear_faults()


def test_a_run_says_what_it_kept_and_leaves_nothing_on_the_machine(world: World) -> None:
    """The pages are in the bucket, of each run those that it read."""
    first, denied = world.said[0], world.said[2]
    assert first.startswith(f"snapshot {DATE} complete: ")
    assert f"lake {world.uri}; ask it with `imagelake sql --warehouse {world.warehouse}`" in first
    assert denied.startswith(f"snapshot {DATE} partial: ")
    assert f"{HOME}/{WEST} failed: AccessDeniedException" in denied
    assert "shown instead: " in denied
    assert world.spool == []
    listed = client(world.moto).list_objects_v2(Bucket=world.bucket, Prefix="lake/_raw/")
    assert len([found for found in listed["Contents"] if found["Size"] > 1000]) == 2


def test_the_rows_are_those_of_a_lake_in_a_folder(world: World) -> None:
    """Of the tables and of views on them, by the same two runs; as JSON, so each value's type too."""
    given = SnapshotParameters.model_validate(
        {
            "lake": str(world.folder / "lake"),
            "warehouse": world.folder / "folder.duckdb",
            "date": DATE,
            "region": [EAST, WEST],
            "visibility_seconds": 0.01,
        }
    )

    def run(status: int) -> None:
        assert exit_status(take_snapshot(given)) == status

    _take_two(world, run)
    said = world.imagelake(
        "sql", "--format", "json", text="".join(f"{query};\n" for query in QUERIES.values())
    ).stdout
    expected = StringIO()
    with connect(given.warehouse) as connection:
        for query in QUERIES.values():
            write_answer(connection, query, Format.JSON, expected)
    assert said == expected.getvalue()
    assert said.count(f'"region": "{WEST}"') > 100


def test_what_a_run_changed_is_told_of_it_too(world: World) -> None:
    """Nothing since it showed; without what showed before, no golden AMI changed either."""
    before = shown_before(world.warehouse, date.fromisoformat(DATE))
    assert before is not None
    golden = world.rows("select ami_id from golden_amis order by all")
    assert sorted(before.golden["ami_id"].to_pylist()) == [ami for (ami,) in golden]
    found = effects(world.warehouse, date.fromisoformat(DATE), before)
    assert found == effects(world.warehouse, date.fromisoformat(DATE), None)
    assert found == Effects(None, 0, (), Found(), Found(), Found(), Found(), Found())


def test_status_tells_each_target_and_verifies_each_file(world: World) -> None:
    told = world.imagelake("status").stdout
    assert re.search(rf"{HOME} +{WEST} +failed +{DATE} ", told)
    verified = world.imagelake("status", "--verify").stdout
    assert re.fullmatch(r"[0-9]+ files read, 0 damaged\n", verified)


def test_status_verifies_with_the_settings_of_the_lake(world: World) -> None:
    """The copies that it reads are in the spool that it is told, and the owner is asked for."""
    config = world.folder / "status.toml"
    config.write_text(f"spool = '{world.folder / 'spool'}'\nlake = 'elsewhere'\n")
    with proxy(world.moto.url) as seen, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", seen.url)
        options = ("--config", str(config), "--s3-bucket-owner", HOME)
        assert world.imagelake("status", "--verify", *options).stdout.endswith(", 0 damaged\n")
        owners = {
            call.headers.get("x-amz-expected-bucket-owner")
            for call in seen.calls
            if call.method == "GET" and call.headers["user-agent"].startswith("Boto3")
        }
    assert owners == {HOME}
    assert list((world.folder / "spool").iterdir())
    assert world.spool == []


def test_plain_duckdb_reads_the_warehouse_after_two_statements(world: World) -> None:
    """As any client does that is not imagelake: the extension, then a secret."""
    package = find_spec("duckdb_extension_httpfs")
    assert package is not None
    assert package.origin is not None
    (httpfs,) = Path(package.origin).parent.rglob("httpfs.duckdb_extension")
    with duckdb.connect(str(world.warehouse), read_only=True) as plain:
        plain.execute(f"load '{httpfs}'")
        plain.execute(
            f"create secret (type s3, key_id 'key', secret '{KEY}', session_token '{TOKEN}', "
            f"region '{REGION}', endpoint '{urlsplit(world.moto.url).netloc}', url_style 'path', "
            "use_ssl false)"
        )
        counted = {
            name: plain.execute(f"select count(*) from {name}").fetchall()  # noqa: S608 - our own views
            for name in QUERIES
        }
        arns = plain.execute("select arn from image_builds order by all").fetchall()
    assert arns == world.rows("select arn from image_builds order by all")
    assert counted["snapshot_targets"] == [(2,)]


def test_a_confined_connection_reads_the_lake_in_the_bucket_and_nothing_else(world: World) -> None:
    store = client(world.moto)
    store.put_object(Bucket=world.bucket, Key="other/secret.csv", Body=b"a\n1\n")
    query = "select count(*) as n from current_builds"
    options = ("--no-external", "--format", "csv")
    assert world.imagelake("sql", query, *options).stdout == f"n\n{world.rows(query)[0][0]}\n"
    refused = {
        f"from 's3://{world.bucket}/other/secret.csv'": "Cannot access file",
        f"from 's3://{world.bucket}/lakes/secret.csv'": "Cannot access file",
        f"from 's3://{world.bucket}/lake/../other/secret.csv'": "a path with .. is refused",
        f"from read_csv('{world.uri}/.' || './other/secret.csv')": "read_csv() is refused",
        f"copy (select 1) to '{world.uri}/evil.csv'": "COPY is refused",
        "from duckdb_secrets()": "duckdb_secrets() is refused",
    }
    typed = ";\n".join([*refused, "select 'the end'"])
    ended = world.imagelake("sql", *options, text=typed, status=2)
    told = [line for line in ended.stderr.splitlines() if "--no-external" in line]
    assert [words in line for words, line in zip(refused.values(), told, strict=True)] == [True] * 6
    assert ended.stdout.endswith("the end\n")
    assert store.list_objects_v2(Bucket=world.bucket, Prefix="lake/evil")["KeyCount"] == 0


def test_a_pinned_warehouse_reads_the_same(world: World) -> None:
    pinned = world.folder / "pinned.duckdb"
    world.imagelake("publish", "--pinned", "--warehouse", str(pinned))
    query = "select * from image_builds order by all"
    with connect(pinned) as connection:
        assert connection.execute(query).fetchall() == world.rows(query) != []


def test_a_lake_in_s3_is_looked_after_like_any_other(world: World) -> None:
    """Rebuilt: the same rows. Rolled back: those of the older run. Cleaned up: what shows stays."""
    query = QUERIES["image_builds"]
    before = world.rows(query)
    rebuilt = world.imagelake("rebuild", "--date", DATE).stdout
    assert rebuilt.startswith(f"{DATE} rebuilt: {len(before)} builds (run ")
    assert world.rows(query) == before
    assert world.spool == []

    *_, first = world.runs()
    assert world.imagelake("rollback", DATE, first).stdout == f"{DATE} shows run {first}\n"
    assert world.rows("select distinct run_id from image_builds") == [(first,)]
    assert world.runs()[0] == first

    at_once = ("--grace-hours", "0", "--orphan-hours", "0")
    dry = world.imagelake("maintain", "--dry-run", *at_once).stdout
    assert dry.startswith("superseded: ")
    assert dry.endswith("nothing was removed: this was a dry run\n")
    assert len(world.runs()) == 4
    done = world.imagelake("maintain", *at_once).stdout
    assert dry == f"{done}nothing was removed: this was a dry run\n"
    assert world.runs() == [first]
    assert world.rows("select distinct run_id from image_builds") == [(first,)]


def test_an_interrupted_run_is_gone_on_with_from_the_spool(world: World) -> None:
    """No page that had landed on this machine is asked again."""
    options = ("--date", "2025-11-21", "--region", EAST, "--page-size", "10")
    world.emulator.clear_requests()
    world.emulator.set_faults("*", {"latency_ms": 60})
    process = world.started("run", *options)
    wait_for(world.emulator, 5, process)  # type: ignore[arg-type]  # its text is not read
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    world.emulator.clear_faults()
    before = [
        (page.region, page.operation, page.token)
        for path in world.spool
        if path.suffix == ".arrows"
        for page in landed_pages(path.parent)
    ]
    assert len(before) >= 3

    world.emulator.clear_requests()
    ended = world.imagelake("run", *options)
    assert "going on with the pages of an interrupted run" in ended.stderr
    calls = [  # its own: whatever else this process ever started asks for pages of another size
        call
        for call in world.emulator.requests()
        if call["operation"] == LIST_BUILDS and call["max_results"] == 10 and call["status"] == 200
    ]
    after = {(call["region"], call["operation"], call["token"]) for call in calls}
    assert set(before) & after == set(), calls
    assert after
    assert world.spool == []
    ((count, distinct),) = world.rows(
        "select count(*), count(distinct arn) from image_builds where snapshot_date = '2025-11-21'"
    )
    assert count == distinct
    assert f"complete: {count} builds" in ended.stdout


def test_a_demo_may_write_to_s3(world: World) -> None:
    """The emulator that it reads from is not where its lake is."""
    demo = World(world.moto, world.emulator, new_bucket(world.moto), world.folder / "demo")
    demo.folder.mkdir()
    said = demo.imagelake("run", "--demo", "--region", EAST).stdout
    world.said += demo.said
    assert f"lake {demo.uri}; ask it with" in said
    ((builds,),) = demo.rows("select count(*) from image_builds")
    assert f" complete: {builds} builds" in said


def test_nothing_gives_a_secret_away(world: World, tmp_path: Path) -> None:
    """Neither what the commands said, nor any object, nor the warehouse, nor what is on the disk."""
    for page in client(world.moto).get_paginator("list_objects_v2").paginate(Bucket=world.bucket):
        for found in page["Contents"]:
            path = tmp_path / found["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            client(world.moto).download_file(world.bucket, found["Key"], str(path))
    kept = held(tmp_path / "lake", world.warehouse)
    kept += "".join(path.read_bytes().decode("latin-1") for path in world.folder.rglob("*.duckdb"))
    assert HOME in kept
    for secret in (KEY, TOKEN):
        assert secret not in kept
        assert not any(secret in said for said in world.said)
