"""A run's events name their resources alike in each run, and say what a trigger may ask for."""

from dataclasses import replace

from flows.alerts import Alert, alerts_of
from lake.effects import Found, NewFailure
from tests.summaries import ACCOUNT, COMPLETE, DENIED, HOSTILE, LAKE, MUCH, NOTHING, PARTIAL

TOLD = {"imagelake.lake": LAKE, "imagelake.snapshot-date": "2025-11-20"}
EAST = {"imagelake.account-id": ACCOUNT, "imagelake.region": "us-east-1"}
IN_EAST = [
    {
        "prefect.resource.id": f"imagelake.target.{ACCOUNT}.us-east-1",
        "prefect.resource.role": "imagelake-target",
    }
]


def test_everything_that_happened_is_an_event() -> None:
    """Stale targets, failures, golden AMIs, what there were too many of, and then the commit."""
    stale, unasked, failed, changed, gone, omitted, committed = alerts_of(PARTIAL, MUCH, LAKE)
    assert stale == Alert(
        "imagelake.target.stale",
        {
            "prefect.resource.id": f"imagelake.target.{ACCOUNT}.eu-west-1",
            **TOLD,
            "imagelake.account-id": ACCOUNT,
            "imagelake.region": "eu-west-1",
            "imagelake.is-asked": "true",
            "imagelake.error-code": "AccessDeniedException",
        },
        {
            "account_id": ACCOUNT,
            "region": "eu-west-1",
            "captured_at": "2025-11-18T02:01:00+00:00",
            "failed_attempt_count": 2,
            "last_error_code": "AccessDeniedException",
            "last_error_message": DENIED,
        },
    )
    assert unasked.resource["imagelake.is-asked"] == "false"
    assert "imagelake.error-code" not in unasked.resource
    arn = "arn:aws:imagebuilder:us-east-1:111122223333:image/web/1.1.0/1"
    assert failed == Alert(
        "imagelake.build.failed",
        {
            "prefect.resource.id": f"imagelake.image.{ACCOUNT}.us-east-1.{ACCOUNT}.web",
            **TOLD,
            **EAST,
            "prefect.resource.name": HOSTILE,
            "imagelake.build-arn": arn,
            "imagelake.step": "Install",
            "imagelake.reason": HOSTILE,
        },
        {
            "account_id": ACCOUNT,
            "region": "us-east-1",
            "arn": arn,
            "image_owner_account": ACCOUNT,
            "image_slug": "web",
            "name": HOSTILE,
            "was": "BUILDING",
            "step": "Install",
            "reason": HOSTILE,
        },
        IN_EAST,
    )
    assert changed == Alert(
        "imagelake.golden_ami.changed",
        {
            "prefect.resource.id": f"imagelake.image.{ACCOUNT}.us-east-1.{ACCOUNT}.web",
            **TOLD,
            **EAST,
            "prefect.resource.name": HOSTILE,
            "imagelake.ami-region": "us-east-1",
            "imagelake.ami-account": ACCOUNT,
            "imagelake.old-ami-id": "ami-0a",
            "imagelake.new-ami-id": "ami-0b",
            "imagelake.old-version": "1.0.0/1",
            "imagelake.new-version": "1.1.0/2",
        },
        {
            "account_id": ACCOUNT,
            "region": "us-east-1",
            "image_owner_account": ACCOUNT,
            "image_slug": "web",
            "ami_region": "us-east-1",
            "ami_account_id": ACCOUNT,
            "name": HOSTILE,
            "old_version": "1.0.0/1",
            "new_version": "1.1.0/2",
            "old_ami_id": "ami-0a",
            "new_ami_id": "ami-0b",
        },
        IN_EAST,
    )
    assert gone.payload["new_ami_id"] is None
    assert "imagelake.new-ami-id" not in gone.resource
    assert omitted == Alert(
        "imagelake.events.omitted",
        {"prefect.resource.id": f"imagelake.lake.{LAKE}", **TOLD},
        {"omitted": {"imagelake.build.failed": 36}},
    )
    assert committed == Alert(
        "imagelake.snapshot.committed",
        {
            "prefect.resource.id": f"imagelake.lake.{LAKE}",
            **TOLD,
            "imagelake.run-id": PARTIAL.run_id,
            "imagelake.status": "partial",
        },
        {
            "run_id": PARTIAL.run_id,
            "snapshot_date": "2025-11-20",
            "status": "partial",
            "targets": {"complete": 1, "failed": 1, "truncated": 1},
            "rows": PARTIAL.row_counts,
            "seconds": 4.75,
            "changed_builds": 1_037,
            "failed_builds": 37,
            "changed_golden_amis": 2,
            "stale_targets": 2,
        },
    )


def test_a_run_that_changed_nothing_says_that_it_was_committed() -> None:
    """Also where what it changed cannot be told."""
    (committed,) = alerts_of(COMPLETE, NOTHING, LAKE)
    (untold,) = alerts_of(COMPLETE, None, LAKE)
    assert committed.event == untold.event == "imagelake.snapshot.committed"
    assert "changed_builds" in committed.payload
    assert "changed_builds" not in untold.payload


def test_what_an_earlier_run_of_the_date_told_to_be_stale_is_counted_and_not_told_again() -> None:
    """What there is more of than can be named is counted without it."""
    told = [*alerts_of(COMPLETE, replace(MUCH, newly_stale=Found()), LAKE)]
    assert "imagelake.target.stale" not in [alert.event for alert in told]
    assert told[-1].payload["stale_targets"] == 2
    assert told[-2].payload == {"omitted": {"imagelake.build.failed": 36}}


def test_a_build_whose_arn_names_no_image_stands_for_itself() -> None:
    failure = NewFailure(ACCOUNT, "us-east-1", "not-an-arn\n", None, None, None, None, None, None)
    effects = replace(NOTHING, failures=Found((failure,), 1))
    failed, _ = alerts_of(COMPLETE, effects, LAKE)
    image = f"imagelake.image.{ACCOUNT}.us-east-1.{ACCOUNT}.not-an-arn"
    assert failed.resource["prefect.resource.id"] == image
