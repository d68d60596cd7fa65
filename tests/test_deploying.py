"""A deployment is made of fit settings only, and holds no secret."""

import pytest

from flows.deploying import require_lasting, settings, settings_of, with_secrets
from flows.parameters import ParameterError, SnapshotParameters

PLACES = {"IMAGELAKE_LAKE": "/srv/lake", "IMAGELAKE_WAREHOUSE": "/srv/lake.duckdb"}
ROLE = "arn:aws:iam::222233334444:role/imagelake"


def test_the_environment_makes_both_deployments() -> None:
    """Each has its own parameters, and only those that were given."""
    given = {**PLACES, "IMAGELAKE_REGION": "eu-west-1,us-east-1", "IMAGELAKE_KEEP_DAYS": "90"}
    places = {"lake": "/srv/lake", "warehouse": "/srv/lake.duckdb"}
    assert settings_of(given) == {
        "snapshot": {**places, "region": ["eu-west-1", "us-east-1"]},
        "maintain": {**places, "keep_days": 90},
        "cron": "0 2 * * *",
        "maintain_cron": "0 5 * * 0",
        "timezone": "UTC",
    }


def test_the_schedule_is_the_sites() -> None:
    given = {"CRON": "30 6 * * mon-fri", "MAINTAIN_CRON": "0 7 1 * *", "TIMEZONE": "Europe/Berlin"}
    made = settings_of({**PLACES, **{f"IMAGELAKE_{name}": text for name, text in given.items()}})
    assert (made["cron"], made["maintain_cron"], made["timezone"]) == tuple(given.values())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"IMAGELAKE_LAKE": None}, "IMAGELAKE_LAKE is not set; give the runs' lake: an absolute"),
        ({"IMAGELAKE_WAREHOUSE": None}, "IMAGELAKE_WAREHOUSE is not set; give the runs' warehouse"),
        ({"IMAGELAKE_LAKE": "data/lake"}, "--lake 'data/lake' is relative, and a deployed run's"),
        ({"IMAGELAKE_LAKE": ""}, "--lake '' is relative"),
        ({"IMAGELAKE_WAREHOUSE": "a.duckdb"}, "--warehouse 'a.duckdb' is relative"),
        ({"IMAGELAKE_DATE": "2026-11-23"}, "date is for one run; take it out to deploy"),
        ({"IMAGELAKE_PAGE_SIZE": "0"}, "--page-size '0': "),
        ({"IMAGELAKE_CRON": "daily"}, "IMAGELAKE_CRON 'daily': no cron expression; expected five"),
        ({"IMAGELAKE_TIMEZONE": "Mars"}, "IMAGELAKE_TIMEZONE 'Mars': no time zone; expected a"),
        ({"IMAGELAKE_TIMEZONE": "../etc"}, "IMAGELAKE_TIMEZONE '../etc': no time zone"),
    ],
    ids=str,
)
def test_what_could_not_work_is_refused(given: dict[str, str | None], said: str) -> None:
    environment = {name: text for name, text in {**PLACES, **given}.items() if text is not None}
    with pytest.raises(ParameterError) as refused:
        settings_of(environment)
    assert str(refused.value).startswith(said)


def test_the_build_step_ends_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Prefect would show a traceback without its reason."""
    with pytest.raises(SystemExit) as ended:
        settings()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "imagelake: nothing was deployed: IMAGELAKE_LAKE is not set; give the runs' lake: an "
        "absolute path or s3://…\n"
    )


def test_a_lake_on_s3_lasts() -> None:
    require_lasting(
        SnapshotParameters.model_validate({"lake": "s3://b/p", "warehouse": "/w.duckdb"})
    )


def test_external_ids_stay_with_the_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No deployment has one; a run takes its own from the worker's environment and file."""
    config = tmp_path_factory.mktemp("config") / "imagelake.toml"
    config.write_text(
        f'external-id = "of-all"\n[[accounts]]\nrole-arn = "{ROLE}"\nexternal-id = "of-one"\n'
    )
    environment = {**PLACES, "IMAGELAKE_CONFIG": str(config)}
    deployed = settings_of(environment)["snapshot"]
    assert deployed["accounts"] == [{"role_arn": ROLE}]
    assert "of-" not in repr(settings_of(environment))

    run = with_secrets(SnapshotParameters.model_validate(deployed), environment)
    assert run.external_id
    assert run.external_id.get_secret_value() == "of-all"
    (account,) = run.accounts
    assert account.external_id
    assert account.external_id.get_secret_value() == "of-one"
