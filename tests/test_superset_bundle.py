"""The Superset bundle: whole, the same every time, and of the dashboards that are declared."""

import json
import sys
from pathlib import Path
from subprocess import run
from typing import Any
from zipfile import ZipFile

import duckdb
import pytest
import yaml
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from flows.cli import main
from flows.superset import declared
from flows.superset.bundle import bundle_files, uri_of, write_bundle
from flows.superset.dashboards import DASHBOARDS
from lake.folder import Folder
from lake.warehouse import publish, publish_materialized

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def contents() -> dict[str, Any]:
    """By path, what each file of a bundle says."""
    files = bundle_files(uri_of(Path("/srv/imagelake.duckdb")))
    return {name: yaml.safe_load(text) for name, text in files.items()}


def test_files_are_those_of_the_dashboards() -> None:
    """`make dashboards` has nothing to write, and nothing else lies there."""
    found = {
        str(path.relative_to(declared.FOLDER)): path.read_text()
        for path in declared.FOLDER.rglob("*.yaml")
    }
    assert found == declared.files()


def test_bundle_is_the_same_every_time(tmp_path: Path) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    assert write_bundle(Path("/srv/a.duckdb"), first) == write_bundle(Path("/srv/a.duckdb"), second)
    assert first.read_bytes() == second.read_bytes()
    with ZipFile(first) as bundle:
        assert bundle.testzip() is None
        assert len(bundle.namelist()) == len(declared.files())
        assert {name.split("/")[0] for name in bundle.namelist()} == {"imagelake"}


@pytest.mark.parametrize(
    "path", ["/srv/imagelake.duckdb", '/srv/it\'s a "lake": #1 & 100% é\\n/{x}.duckdb']
)
def test_path_is_written_to_the_letter(path: str) -> None:
    database = yaml.safe_load(bundle_files(uri_of(Path(path)))["databases/imagelake.yaml"])
    assert database["sqlalchemy_uri"] == f"duckdb:///{path}?access_mode=read_only&timezone=UTC"


def test_materialized_warehouse_opens_no_other_file(folder: Folder, tmp_path: Path) -> None:
    """Its address answers, and refuses whatever else the process might read."""
    warehouse = tmp_path / "imagelake.duckdb"
    publish_materialized(folder, warehouse)
    engine = create_engine(uri_of(warehouse), poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from bi.builds").scalar() == 0
        with pytest.raises(DBAPIError, match="disabled by configuration"):
            connection.exec_driver_sql(f"from read_text('{__file__}')")
        with pytest.raises(DBAPIError, match="while database is running"):
            connection.exec_driver_sql("set enable_external_access = true")


def test_relative_path_is_of_the_folder_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert uri_of(Path("a/b.duckdb")).startswith(f"duckdb:///{tmp_path}/a/b.duckdb?")


def test_references_lead_somewhere(contents: dict[str, Any]) -> None:
    """Each chart has its dataset, each dataset the database, each place and filter what it names."""
    uuids = {name: content["uuid"] for name, content in contents.items() if "uuid" in content}
    assert len(set(uuids.values())) == len(uuids) == len(contents) - 1  # all but the metadata
    for name, content in contents.items():
        if name.startswith("datasets/"):
            assert content["database_uuid"] == uuids["databases/imagelake.yaml"]
        if name.startswith("charts/"):
            assert content["dataset_uuid"] in uuids.values()
            asked = json.loads(content["query_context"])["queries"][0]
            [dataset] = [c for c in contents.values() if c.get("uuid") == content["dataset_uuid"]]
            assert names_asked(asked) <= names_of(dataset)
        if name.startswith("dashboards/"):
            for place in content["position"].values():
                if isinstance(place, dict) and place["type"] == "CHART":
                    assert place["meta"]["uuid"] in uuids.values()
            for one in content["metadata"]["native_filter_configuration"]:
                for target in one["targets"]:
                    assert (
                        target.get("datasetUuid", uuids["databases/imagelake.yaml"])
                        in uuids.values()
                    )


def names_asked(query: dict[str, Any]) -> set[str]:
    """The columns and measures of a query."""
    columns = [c if isinstance(c, str) else c["sqlExpression"] for c in query["columns"]]
    ordered = [name for name, _ in query["orderby"]]
    return {*columns, *query.get("metrics", ()), *ordered, *(f["col"] for f in query["filters"])}


def names_of(dataset: dict[str, Any]) -> set[str]:
    """The columns and measures that a dataset has."""
    columns = {column["column_name"] for column in dataset["columns"]}
    return columns | {metric["metric_name"] for metric in dataset["metrics"]}


NOT_FILTERED = {
    ("golden-images", "ami_region"): {
        *("No golden build", "Deprecations due", "Deprecations by month", "Next deprecations"),
    },
    ("pipeline", "account_id"): {"Snapshots", "Last snapshots"},
    ("pipeline", "region"): {"Snapshots", "Last snapshots"},
}
"""The charts that a filter of their dashboard leaves alone: those of images, and of whole snapshots."""


def test_filters_reach_every_chart(contents: dict[str, Any]) -> None:
    """Superset filters a chart by the columns that its dataset has, and leaves it alone otherwise."""
    datasets = {c["uuid"]: names_of(c) for name, c in contents.items() if "/imagelake/" in name}
    reached = {
        (dashboard.slug, one.column): {
            chart.title
            for row in dashboard.rows
            for chart in row
            if one.column not in datasets[chart.dataset.uuid]
        }
        for dashboard in DASHBOARDS
        for one in dashboard.filters
        if one.column
    }
    assert {key: charts for key, charts in reached.items() if charts} == NOT_FILTERED
    assert {column for _, column in reached} == {
        *("account_id", "region", "ami_region", "image_slug", "platform"),
    }
    assert all(dashboard.filters[-1].column is None for dashboard in DASHBOARDS)  # the dates


def test_dates_reach_every_chart() -> None:
    """Each chart has a column that a dashboard's dates filter by, unless it shows what is now."""
    dated = {"targets", "target_freshness"}
    charts = [chart for dashboard in DASHBOARDS for row in dashboard.rows for chart in row]
    assert {chart.dataset.view for chart in charts if chart.dataset.time is None} == dated


def test_rows_are_full() -> None:
    """Each row of a dashboard is twelve columns wide, and no title is used twice."""
    for dashboard in DASHBOARDS:
        assert {sum(chart.width for chart in row) for row in dashboard.rows} == {12}
    titles = [chart.title for board in DASHBOARDS for row in board.rows for chart in row]
    assert len(set(titles)) == len(titles)


def test_wheel_has_the_files(tmp_path: Path) -> None:
    """What pip installs makes the same bundle as a clone, without what declares or serves it."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    run(build, check=True, cwd=PROJECT, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with ZipFile(wheel) as packed:
        ours = [name for name in packed.namelist() if name.startswith("flows/superset/")]
        files = {
            name.removeprefix("flows/superset/files/"): packed.read(name).decode()
            for name in ours
            if name.startswith("flows/superset/files/")
        }
    assert files == declared.files()
    code = {name for name in ours if name.endswith(".py")}
    assert code == {"flows/superset/__init__.py", "flows/superset/bundle.py"}


def told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, str, str]:
    """The exit status of `imagelake superset-bundle`, and what it said."""
    monkeypatch.setattr(sys, "argv", ["imagelake", "superset-bundle", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_command_writes_the_bundle(
    folder: Folder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    warehouse, out = tmp_path / "imagelake.duckdb", tmp_path / "bundle.zip"
    publish(folder, warehouse)
    status, said, error = told(
        monkeypatch, capsys, "--warehouse", str(warehouse), "--out", str(out)
    )
    assert (status, error) == (0, "")
    assert said == f"{out}: {len(declared.files())} files for {uri_of(warehouse)}\n"
    with ZipFile(out) as bundle:
        names = [f"imagelake/{name}" for name in declared.files()]
        assert sorted(bundle.namelist()) == sorted(names)


def test_command_for_another_machine_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Superset may have the file at a path that this machine has not."""
    out = tmp_path / "bundle.zip"
    status, _, error = told(
        monkeypatch, capsys, "--warehouse", "/mnt/there.duckdb", "--out", str(out)
    )
    assert (status, out.exists()) == (0, True)
    assert error == "imagelake: there is no '/mnt/there.duckdb' here; Superset will look for it\n"


@pytest.mark.parametrize(
    ("warehouse", "out", "expected"),
    [
        ("what?.duckdb", "bundle.zip", "question mark"),
        ("old.duckdb", "bundle.zip", "imagelake publish"),
        ("none/a.duckdb", "folder", "there is something else than a file"),
        ("none/a.duckdb", "none/bundle.zip", "cannot be written"),
    ],
)
def test_mistake_gets_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    warehouse: str,
    out: str,
    expected: str,
) -> None:
    """A usage error, and nothing is written: not beside the place either."""
    (tmp_path / "folder").mkdir()
    duckdb.connect(str(tmp_path / "old.duckdb")).close()
    before = sorted(tmp_path.rglob("*"))
    options = ("--warehouse", str(tmp_path / warehouse), "--out", str(tmp_path / out))
    status, said, error = told(monkeypatch, capsys, *options)
    assert (status, said) == (2, "")
    assert error.splitlines()[-1].startswith("imagelake: ")
    assert expected in error.splitlines()[-1]
    assert sorted(tmp_path.rglob("*")) == before
