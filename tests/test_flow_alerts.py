"""What a tracked run tells a real Prefect server, and what the automations of `data/prefect` do.

Notifications go to a real HTTP endpoint, and a golden AMI that changed starts another flow's run.
"""

import json
from collections.abc import Callable, Iterator

import pytest

from extract.emulator import Emulator
from lake.warehouse import connect
from schemas.tables import TABLES
from tests.alerted import ACT_SECONDS, EAST, HOME, SECRET, WEST, Site, receiving
from tests.conftest import CLOCK
from tests.prefect_server import post, wait_for

pytestmark = pytest.mark.slow

MOST_TIMES = 3
"""So often one notice may be sent by a server that is sure of none."""


@pytest.fixture(scope="module")
def notified() -> Iterator[tuple[str, list[dict[str, str]]]]:
    with receiving() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def site(
    api: str,
    notified: tuple[str, list[dict[str, str]]],
    start_emulator: Callable[..., Emulator],
    tmp_path_factory: pytest.TempPathFactory,
) -> Site:
    emulator = start_emulator(clock=CLOCK, faults={f"*/{WEST}": {"always": "access_denied"}})
    return Site(api, emulator, tmp_path_factory.mktemp("site"), notified[0])


@pytest.fixture(scope="module")
def notices(site: Site, notified: tuple[str, list[dict[str, str]]]) -> dict[str, list[str]]:
    """What was sent of this site's runs, by subject, once each of the five automations has acted."""
    ours = (site.failed, site.late, site.stuck, site.flow_run["id"], "last read whole")

    def sent() -> dict[str, list[str]] | None:
        found: dict[str, list[str]] = {}
        for notice in list(notified[1]):
            if any(words in notice["body"] for words in ours):
                found.setdefault(notice["subject"], []).append(notice["body"])
        return found if len(found) >= 5 else None

    return wait_for(sent, ACT_SECONDS)


def test_the_state_says_in_a_sentence_what_was_covered_and_changed(site: Site) -> None:
    state = site.flow_run["state"]
    assert (state["type"], state["name"]) == ("COMPLETED", "PartialSuccess")
    assert state["message"] == (
        f"1 of 2 targets not read whole: {HOME}/{WEST} failed (AccessDeniedException); "
        f"{site.counts['builds']} builds, {site.counts['changed']} changed"
    )


def test_the_artifacts_are_the_run_s(site: Site) -> None:
    """How far it is, what it covered and changed, every target, where the lake is."""
    artifacts = {artifact["key"]: artifact for artifact in site.of_run("artifacts")}
    assert list(artifacts) == [
        "imagelake-progress",
        "imagelake-snapshot",
        "imagelake-targets",
        "imagelake-lake",
    ]
    progress = artifacts["imagelake-progress"]
    assert (progress["type"], progress["data"]) == ("progress", 100.0)
    assert progress["description"] == "2 of 2 targets"
    said = artifacts["imagelake-snapshot"]["data"]
    assert said.startswith("## Snapshot 2025-11-21: partial\n\n1 of 2 targets read whole in ")
    assert f"| {HOME}/{WEST} | failed | AccessDeniedException | never | " in said
    assert f"### Changed since 2025-11-20\n\n{site.counts['changed']} builds, " in said
    assert f"### Golden AMIs that changed: {len(site.golden)}\n" in said
    assert "### Stale targets: 1\n" in said
    targets = json.loads(artifacts["imagelake-targets"]["data"])
    assert [(row["target"], row["status"]) for row in targets] == [
        (f"{HOME}/{WEST}", "failed"),
        (f"{HOME}/{EAST}", "complete"),
    ]
    link = artifacts["imagelake-lake"]["data"]
    assert link.endswith(f"]({site.lake.as_uri()})")


def test_the_events_say_what_is_stale_and_which_golden_amis_changed(site: Site) -> None:
    """Those that differ between the warehouse's views of the two dates, and the commit at the end."""
    told = [event for event in site.events if event["event"].startswith("imagelake.")]
    assert [event["event"] for event in told] == [
        "imagelake.target.stale",
        *["imagelake.golden_ami.changed"] * len(site.golden),
        "imagelake.snapshot.committed",
    ]
    assert told[0]["resource"]["prefect.resource.id"] == f"imagelake.target.{HOME}.{WEST}"
    changed = {
        (of["image_slug"], of["ami_region"], of["ami_account_id"]): (
            of["old_ami_id"],
            of["new_ami_id"],
        )
        for of in (event["payload"] for event in told[1:-1])
    }
    assert changed == site.golden
    assert len(changed) > 3
    assert told[-1]["payload"]["changed_golden_amis"] == len(changed)


def test_the_tables_are_assets_with_their_rows(site: Site) -> None:
    with connect(site.warehouse) as connection:
        rows = {
            name: connection.execute(
                f"select count(*) from {name} where snapshot_date = '2025-11-21'"  # noqa: S608 - our own tables
            ).fetchall()[0][0]
            for name in TABLES
        }
    assets = {
        event["resource"]["prefect.resource.id"]: event["payload"]["rows"]
        for event in site.events
        if event["event"] == "prefect.asset.materialization.succeeded"
    }
    assert assets == {f"file://{site.lake}/{name}": count for name, count in rows.items()}


def test_the_log_has_a_line_an_effect_and_the_numbers_at_its_end(site: Site) -> None:
    said = [line["message"] for line in site.of_run("logs")]
    (east,) = [line for line in said if line.startswith(f"target={HOME}/{EAST} ")]
    assert f"status=complete pages=2 builds={site.counts['builds']} requests=2" in east
    numbers = next(line for line in reversed(said) if not line.startswith("Finished"))
    words = dict(word.split("=") for word in numbers.split())
    assert (words["targets"], words["complete"], words["failed"]) == ("2", "1", "1")
    assert float(words["land_seconds"]) < float(words["seconds"])


def test_no_secret_is_told(site: Site) -> None:
    told = [site.flow_run, site.events, site.of_run("artifacts"), site.of_run("logs"), site.log]
    assert SECRET not in json.dumps(told)


def test_an_alert_of_each_kind_is_sent(site: Site, notices: dict[str, list[str]]) -> None:
    """Failed, partial, late and stuck runs, and a stale target; each names its run.

    A busy server may send one again: its actions are carried out at least once.
    """
    message = site.flow_run["state"]["message"]
    assert max(map(len, notices.values())) <= MOST_TIMES
    stale = notices.pop(f"imagelake: {HOME}/{WEST} stale")
    assert {body.partition(":")[0] for body in stale} == {"last read whole"}
    assert "never; AccessDeniedException" in stale[0]
    stuck = notices.pop("imagelake: snapshot stuck")
    assert site.stuck in [body.splitlines()[1] for body in stuck]
    assert {subject: set(bodies) for subject, bodies in notices.items()} == {
        "imagelake: snapshot failed": {f"the disk is full\n{site.failed}"},
        "imagelake: snapshot partial": {f"{message}\n{site.flow_run['id']}"},
        "imagelake: snapshot late": {
            f"due 2025-11-20 02:00:00+00:00; is a worker running?\n{site.late}"
        },
    }


def test_a_golden_ami_that_changed_starts_another_flow(site: Site) -> None:
    """With the image and both ids, once for each AMI of the region."""
    expected = sorted(
        (image, old, new)
        for (image, region, _), (old, new) in site.golden.items()
        if region == EAST
    )
    query = {"flow_runs": {"deployment_id": {"any_": [site.deployment]}}}

    def started() -> list[tuple[str, ...]] | None:
        runs = post(f"{site.api}/flow_runs/filter", query)
        given = [tuple(run["parameters"].values()) for run in runs]
        return sorted(given) if len(given) >= len(expected) else None

    assert wait_for(started, ACT_SECONDS) == expected
