"""One model is the options, the TOML keys, the environment and the flow's parameters."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from extract.request import Request
from flows.loading import load_parameters
from flows.parameters import ParameterError, SnapshotParameters

ROLE = "arn:aws:iam::111122223333:role/imagelake"
VERSION_ARN = "arn:aws:imagebuilder:us-east-1:111122223333:image/web/1.0.0"


def load(
    options: Mapping[str, Any] | None = None,
    toml: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> SnapshotParameters:
    return load_parameters(SnapshotParameters, options or {}, toml, environment or {})


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "imagelake.toml"


def test_nothing_given_is_the_defaults() -> None:
    assert load() == SnapshotParameters()
    assert load().model_dump() == {
        **load().model_dump(),
        "lake": "data/lake",
        "warehouse": Path("data/imagelake.duckdb"),
        "date": None,
        "region": [],
        "role_arn": [],
        "owner": ["Self"],
        "page_size": None,
        "max_items": None,
        "demo": False,
    }


def test_an_option_overrides_the_environment_which_overrides_the_file(toml: Path) -> None:
    toml.write_text('lake = "file"\npage-size = 10\nmax_items = 10\nregion = ["eu-west-1"]\n')
    environment = {"IMAGELAKE_PAGE_SIZE": "20", "IMAGELAKE_MAX_ITEMS": "20"}
    found = load({"max_items": "30"}, toml, environment)
    assert (found.lake, found.page_size, found.max_items) == ("file", 20, 30)
    assert found.region == ["eu-west-1"]
    assert found.concurrency == SnapshotParameters().concurrency


def test_the_environment_can_name_the_file(toml: Path) -> None:
    toml.write_text('lake = "file"\n')
    assert load(environment={"IMAGELAKE_CONFIG": str(toml)}).lake == "file"


@pytest.mark.parametrize(
    ("text", "regions"),
    [
        ("us-east-1", ["us-east-1"]),
        ("us-east-1,eu-west-1", ["us-east-1", "eu-west-1"]),
        ('["us-east-1", "eu-west-1"]', ["us-east-1", "eu-west-1"]),
    ],
)
def test_a_variable_holds_a_list_by_commas_or_as_json(text: str, regions: list[str]) -> None:
    assert load(environment={"IMAGELAKE_REGION": text}).region == regions


def test_a_variable_holds_one_filter_whose_commas_part_its_values() -> None:
    found = load(environment={"IMAGELAKE_FILTER": "type=AMI,DOCKER"})
    assert found.request().filters == (("type", ("AMI", "DOCKER")),)


def test_every_field_is_a_key_of_the_file(toml: Path) -> None:
    """Written with hyphens or underscores; what comes out of the model goes into it again."""
    given = {
        "lake": "l",
        "warehouse": "w.duckdb",
        "date": "2025-11-20",
        "region": ["us-east-1"],
        "role_arn": [ROLE],
        "external_id": "xy",
        "image_version_arn": VERSION_ARN,
        "filter": ["type=AMI"],
        "owner": ["Amazon"],
        "page_size": 10,
        "max_items": 20,
        "concurrency": 3,
        "demo": True,
    }
    for spell in (str, lambda name: name.replace("_", "-")):
        lines = [f"{spell(name)} = {json.dumps(value)}" for name, value in given.items()]
        toml.write_text("\n".join(lines))
        found = load(toml=toml)
        assert found.date == date(2025, 11, 20)
        assert found == SnapshotParameters.model_validate(given)


def test_the_request_is_what_boto3_is_asked_with() -> None:
    found = load(
        {"filter": ["type=AMI,DOCKER", "name=web"], "page_size": "25", "owner": ["Self", "Self"]}
    )
    assert found.request() == Request(
        filters=(("type", ("AMI", "DOCKER")), ("name", ("web",))), page_size=25
    )
    assert found.request().api_filters() == [
        {"name": "type", "values": ["AMI", "DOCKER"]},
        {"name": "name", "values": ["web"]},
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"date": "2025-13-01"}, "--date '2025-13-01': not a date; expected YYYY-MM-DD"),
        ({"page_size": "0"}, "--page-size '0': input should be greater than or equal to 1"),
        ({"page_size": "101"}, "--page-size '101': input should be less than or equal to 100"),
        ({"max_items": "many"}, "--max-items 'many': input should be a valid integer"),
        ({"filter": ["type"]}, "--filter 'type': expected NAME=VALUE[,VALUE…]"),
        ({"filter": ["a=b", "=x"]}, "--filter 'a' is no filter"),
        ({"filter": ["plattform=x"]}, "--filter 'plattform' is no filter; did you mean 'platform'"),
        ({"filter": ["type=,"]}, "--filter 'type=,': expected NAME=VALUE[,VALUE…]"),
        ({"owner": ["Me"]}, "--owner 'Me': input should be 'Self', 'Shared'"),
        ({"image_version_arn": "arn:x"}, "--image-version-arn 'arn:x': not an image version's ARN"),
        ({"starting_token": "t", "owner": ["Amazon"]}, "--starting-token: a token goes on with"),
        (
            {"image_version_arn": VERSION_ARN, "owner": ["Self", "Amazon"]},
            "--image-version-arn: one image has one owner",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_value_is_named_with_its_option(options: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        load(options)
    assert str(refusal.value).startswith(words)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a = 1\nb = = 2\n", "no valid TOML: Invalid value (at line 2, column 5)"),
        ("pagesize = 3\n", "unknown key 'pagesize'; did you mean 'page-size'?"),
        ("zzz = 3\n", "unknown key 'zzz'"),
        ("\xff", "no valid TOML: "),
    ],
)
def test_a_broken_file_is_named_with_its_fault(toml: Path, content: str, words: str) -> None:
    toml.write_bytes(content.encode("latin-1"))
    with pytest.raises(ParameterError) as refusal:
        load(toml=toml)
    assert str(refusal.value).startswith(f"--config {str(toml)!r}: {words}")


def test_a_variable_that_is_nearly_a_settings_name_is_no_setting() -> None:
    """It would pass for one that was heeded. What is like none is somebody else's."""
    with pytest.raises(ParameterError) as refusal:
        load(environment={"IMAGELAKE_REGIONS": "eu-west-1"})
    said = "IMAGELAKE_REGIONS: there is no such setting; did you mean 'IMAGELAKE_REGION'?"
    assert str(refusal.value) == said
    with pytest.raises(ParameterError, match="did you mean 'IMAGELAKE_CONFIG'"):
        load(environment={"IMAGELAKE_CONFG": "imagelake.toml"})
    assert load(environment={"IMAGELAKE_HOME": "/srv", "XREGIONS": "x"}) == load()


def test_a_file_that_is_not_there_is_named(toml: Path) -> None:
    with pytest.raises(ParameterError, match="No such file or directory; give a TOML file"):
        load(toml=toml)


def test_a_broken_list_in_the_environment_is_named_by_its_variable() -> None:
    with pytest.raises(ParameterError, match=r"^IMAGELAKE_REGION '\[1': no JSON list: "):
        load(environment={"IMAGELAKE_REGION": "[1"})


def test_a_secret_is_never_shown() -> None:
    """Neither in what a snapshot keeps, nor in the model's text, nor in an error."""
    found = load({"external_id": "s3cret", "page_size": "7"})
    assert json.loads(found.to_json()) == {"external_id": "**********", "page_size": 7}
    assert "s3cret" not in repr(found) + str(found) + found.model_dump_json()
    with pytest.raises(ParameterError) as refusal:
        load({"external_id": ["s3cret"]})
    assert "s3cret" not in str(refusal.value)


def test_an_accounts_own_external_id_is_never_shown(toml: Path) -> None:
    """Not in what a snapshot keeps, and not in the error of another key beside it."""
    account = f'[[accounts]]\nrole_arn = "{ROLE}"\nexternal_id = "s3cret"\n'
    toml.write_text(account)
    found = load(toml=toml)
    assert "s3cret" not in found.to_json() + repr(found)
    toml.write_text(account + "colour = 1\n")
    with pytest.raises(ParameterError) as refusal:
        load(toml=toml)
    assert str(refusal.value) == "[[accounts]] 1: unknown key 'colour'"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (f'role-arm = "{ROLE}"', "unknown key 'role-arm'; did you mean 'role-arn'?"),
        ('region = "us-east-1"', "role-arn is missing"),
        ("role-arn = 7", "role-arn: input should be a valid string"),
        (f'role-arn = "{ROLE}"\nregion = 7', "region: input should be a valid list"),
    ],
)
def test_what_is_wrong_with_an_account_is_told_in_our_words(
    toml: Path, table: str, told: str
) -> None:
    toml.write_text(f'[[accounts]]\nrole-arn = "{ROLE}"\n\n[[accounts]]\n{table}\n')
    with pytest.raises(ParameterError) as refusal:
        load(toml=toml)
    assert str(refusal.value) == f"[[accounts]] 2: {told}"
