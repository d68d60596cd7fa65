"""A mistake on the command line is one line that says what to do, and changes nothing."""

from pathlib import Path

import pytest

from extract.emulator import Emulator
from extract.emulator.settings import REGIONS
from tests.command import UNTRACKED, Command

EAST, WEST = REGIONS[:2]

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
