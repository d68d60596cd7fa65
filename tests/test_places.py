"""A path is read alike wherever it is given: `~` is the home folder, and a URL is refused at once."""

import os
import pwd
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from extract.emulator import Emulator
from flows.deploying import settings_of
from flows.loading import load_parameters
from flows.parameters import ParameterError, SnapshotParameters
from flows.places import expanded, local_path
from flows.upkeep_parameters import MaintainParameters, RebuildParameters
from lake.folder import Folder
from lake.location import open_folder
from lake.warehouse import publish
from tests.command import Command
from tests.test_writer import DAY, commit_rows
from tests.warehouses import one_build

USER = pwd.getpwuid(os.getuid())
URL = "s3://my-bucket/x"
REFUSED = "only a lake may be at a URL; give a path on this machine"
HOME_UNKNOWN = "the home folder is not known; set HOME, or give the whole path"

COMMANDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("run", "serve", "check", "publish", "maintain", "status", "report"), ()),
    **dict.fromkeys(("export", "superset-bundle"), ("--out", "out")),
    "rebuild": ("--all",),
    "rollback": ("2025-11-20",),
    "sql": ("select 1",),
}
"""The commands that use a lake or a warehouse, with what each must be given."""
PATHS = re.compile(r"^ +(--[a-z-]+) (?:<path>|FILE|DIR) ", re.MULTILINE)
"""The options that `--help` says take a path."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home folder, beside the folder that commands run in."""
    home = tmp_path.with_name(f"{tmp_path.name}-home")
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("~", "/home/me"),
        ("~/", "/home/me"),
        ("~/lake", "/home/me/lake"),
        ("~//lake", "/home/me/lake"),
        (f"~{USER.pw_name}", USER.pw_dir),
        (f"~{USER.pw_name}/a/b", f"{USER.pw_dir}/a/b"),
        ("data/lake", "data/lake"),
        ("../a", "../a"),
        ("a/~/b", "a/~/b"),
        ("/~x", "/~x"),
        ("./s3://x", "s3:/x"),
    ],
)
def test_a_place_becomes_a_path(monkeypatch: pytest.MonkeyPatch, place: str, expected: str) -> None:
    """A relative one stays relative; reading what was read changes nothing."""
    monkeypatch.setenv("HOME", "/home/me")
    assert local_path(place) == local_path(local_path(place)) == Path(expected)
    assert Path(expanded(place)) == Path(expanded(expanded(place))) == Path(expected)


def test_a_model_is_read_back_from_json(home: Path) -> None:
    given = SnapshotParameters(warehouse=Path("~/w.duckdb"), spool=Path("spool"), lake="~/lake")
    read = SnapshotParameters.model_validate_json(given.model_dump_json())
    assert read == given
    assert (read.warehouse, read.spool) == (home / "w.duckdb", Path("spool"))


def test_a_home_at_the_root_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")
    assert [expanded("~"), expanded("~/lake")] == ["/", "/lake"]


def test_a_folder_whose_own_name_begins_with_a_tilde_is_that_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a path forgets its `./`, and whoever reads the model again, or DuckDB, expands `~x`."""
    monkeypatch.chdir(tmp_path)
    given = {"lake": "./~x", "warehouse": ".//~x/w.duckdb", "spool": "./~"}
    found = SnapshotParameters.model_validate(given)
    assert (found.lake, found.warehouse) == ("./~x", tmp_path / "~x" / "w.duckdb")
    assert found.spool == tmp_path / "~"
    assert SnapshotParameters.model_validate(found.model_dump(mode="json")) == found
    assert not list(home.iterdir())


@pytest.mark.parametrize("model", [SnapshotParameters, RebuildParameters, MaintainParameters])
def test_every_way_to_give_a_path_knows_the_home_folder(
    home: Path, model: type[SnapshotParameters]
) -> None:
    """The file, the variables, the options, and the name of the file itself."""
    given = {"lake": "~/lake", "warehouse": "~/w.duckdb", "spool": "~/spool"}
    toml = home / "imagelake.toml"
    toml.write_text("all = true\n" + "".join(f'{name} = "{at}"\n' for name, at in given.items()))
    variables = {f"IMAGELAKE_{name.upper()}": place for name, place in given.items()}
    for options, environment in (
        ({}, {"IMAGELAKE_CONFIG": "~/imagelake.toml"}),
        ({}, {"IMAGELAKE_ALL": "true"} | variables),
        ({"all": True} | given, {}),
    ):
        known = {name: value for name, value in options.items() if name in model.model_fields}
        found = load_parameters(model, known, None, environment)
        places = (found.lake, found.warehouse, found.spool)
        assert places == (str(home / "lake"), home / "w.duckdb", home / "spool")


def test_a_deployment_has_the_home_folder_written_out(home: Path) -> None:
    given = {"IMAGELAKE_LAKE": "~/lake", "IMAGELAKE_WAREHOUSE": "~/w.duckdb"}
    places = {"lake": str(home / "lake"), "warehouse": str(home / "w.duckdb")}
    assert settings_of(given)["snapshot"] == settings_of(given)["maintain"] == places


@pytest.mark.parametrize("name", ["lake", "warehouse", "spool"])
def test_a_home_folder_that_is_not_known_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Not taken for a folder of that name, nor for the root."""

    def told(place: str) -> str:
        with pytest.raises(ParameterError) as refused:
            load_parameters(SnapshotParameters, {name: place}, None, {})
        return str(refused.value).removeprefix(f"--{name} {place!r}: ")

    assert told("~no-such-user/x") == (
        "there is no user 'no-such-user'; give the whole path, or './~no-such-user/x' for a folder "
        "of that name"
    )
    for wrong in ("", "relative"):
        monkeypatch.setenv("HOME", wrong)
        assert told("~/x") == HOME_UNKNOWN
    monkeypatch.delenv("HOME")

    def nobody(_: int) -> Any:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)  # as in a container whose user has no name
    assert told("~") == HOME_UNKNOWN


@pytest.mark.parametrize("command", COMMANDS)
def test_a_url_for_a_path_is_refused_before_anything_is_done(
    imagelake: Command, emulator: Emulator, tmp_path: Path, command: str
) -> None:
    """By every option that takes a path, whatever its command; by the variables too."""
    options = PATHS.findall(imagelake(command, "--help").stdout)
    assert "--warehouse" in options
    for option in options:
        for given in ([option, URL], [f"{option}={URL}"]):
            ended = imagelake(command, *COMMANDS[command], *given)
            said = f"imagelake: {option} '{URL}': {REFUSED}\n"
            assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", said)
    assert list(tmp_path.iterdir()) == []
    assert emulator.requests() == []


@pytest.mark.parametrize("variable", ["WAREHOUSE", "CONFIG"])
def test_a_url_in_a_variable_is_refused(
    imagelake: Command, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(f"IMAGELAKE_{variable}", "HTTPS://example.org/x")
    ended = imagelake("status")
    said = f"imagelake: --{variable.lower()} 'HTTPS://example.org/x': {REFUSED}\n"
    assert (ended.returncode, ended.stderr) == (2, said)


def test_a_run_and_what_asks_it_find_the_home_folder(
    imagelake: Command, emulator: Emulator, home: Path, tmp_path: Path
) -> None:
    """Nothing is left in either folder but what was asked for."""
    (home / "imagelake.toml").write_text('lake = "~/lake"\nwarehouse = "~/imagelake.duckdb"\n')
    warehouse = "--warehouse=~/imagelake.duckdb"
    for asked in (
        ("run", "--config=~/imagelake.toml"),
        ("sql", warehouse, "--out=~/rows.csv", "select count(*) as builds from current_builds"),
        ("export", warehouse, "--out=~/views", "snapshots"),
        ("superset-bundle", warehouse, "--out=~/bundle.zip"),
    ):
        ended = imagelake(*asked)
        assert ended.returncode == 0, ended.stderr
    assert emulator.requests()
    assert list(tmp_path.iterdir()) == []
    assert {path.name for path in home.iterdir()} == {
        *("imagelake.toml", "lake", "imagelake.duckdb"),
        *("rows.csv", "views", "bundle.zip"),
    }
    assert (home / "views" / "snapshots.parquet").is_file()


def test_a_folder_named_with_a_tilde_is_asked(
    imagelake: Command, home: Path, tmp_path: Path
) -> None:
    folder = open_folder(str(tmp_path / "~x" / "lake"))
    commit_rows(folder, DAY, one_build())
    warehouse = ("--warehouse", "./~x/w.duckdb")
    assert imagelake("publish", "--lake", "./~x/lake", *warehouse).returncode == 0
    asked = ("sql", *warehouse, "--out", "./~x/rows.csv", "select arn from current_builds")
    assert imagelake(*asked).returncode == 0
    assert (tmp_path / "~x" / "rows.csv").read_text() == "arn\na\n"
    assert [path.name for path in tmp_path.iterdir()] == ["~x"]
    assert list(home.iterdir()) == []


def test_a_relative_path_is_shown_as_it_was_given(
    imagelake: Command, folder: Folder, tmp_path: Path
) -> None:
    commit_rows(folder, DAY, one_build())
    publish(folder, tmp_path / "w.duckdb")
    ended = imagelake("publish", "--lake", "lake", "--warehouse", "w.duckdb")
    assert ended.stdout == "w.duckdb: up to date\n"
    ended = imagelake("export", "--warehouse", "w.duckdb", "--out", "out", "snapshots")
    assert ended.stderr == "out/snapshots.parquet: 1 row\n"
