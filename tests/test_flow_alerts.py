"""What a tracked run tells a real Prefect server, and what the automations of `data/prefect` do.

Notifications go to a real HTTP endpoint, and a golden AMI that changed starts another flow's run.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from extract.targets import Target, TargetOutcome
from flows.alerts import COMMITTED
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from flows.watch import Lines
from lake.warehouse import connect
from schemas.tables import TABLES
from tests.conftest import CLOCK
from tests.prefect_server import binary, free_port, post, wait_for
from tests.summaries import MUCH, PARTIAL

pytestmark = pytest.mark.slow

HOME, EAST, WEST = ACCOUNTS[0], REGIONS[0], REGIONS[1]
PROJECT = Path(__file__).parents[1]
SECRET = "an-external-id"  # noqa: S105 - what must be told nowhere
ACT_SECONDS = 60.0
MOST_TIMES = 3
"""So often one notice may be sent by a server that is sure of none."""
"""A server acts on an event within seconds; the rest is for a busy machine."""

SETTING_UP = """
from prefect import flow, get_client

@flow
def redeploy(image: str, old_ami_id: str, new_ami_id: str) -> None: ...

with get_client(sync_client=True) as client:
    flow_id = client.create_flow(redeploy)
    print(client.create_deployment(flow_id, "on-change", parameter_openapi_schema={}))
"""
"""A user's own side: a deployment of a flow that a new AMI concerns."""


def alerting(webhook: str) -> str:
    """The README's commands under "Alerts", but for who is notified and how long stuck is."""
    section = (PROJECT / "README.md").read_text().partition("\n### Alerts\n")[2]
    shown = section.partition("```console\n")[2].partition("```")[0]
    block = (
        f'SlackWebhook(name="alerts", url="{webhook}", '
        'json_data={"subject": "{{subject}}", "body": "{{body}}"})'
    )
    for was, is_now in (
        ("$ ", ""),
        ("import SlackWebhook", "import CustomWebhookNotificationBlock as SlackWebhook"),
        ('SlackWebhook(url="https://hooks.slack.com/services/T0/B0/secret")', block),
        ('save("imagelake")', 'save("imagelake", overwrite=True)'),
        ("data/prefect/", f"{PROJECT}/data/prefect/"),
        (".venv/bin/", f"{Path(sys.executable).parent}/"),
        ("> automations.yaml", "| sed 's/within: 7200/within: 10/' > automations.yaml"),
    ):
        assert was in shown, f"the README does not say {was!r}"
        shown = shown.replace(was, is_now)
    return shown


class Site:
    """A lake with one snapshot, the automations, and then a tracked run of the next day."""

    def __init__(self, api: str, emulator: Emulator, root: Path, webhook: str) -> None:
        self.api = api
        self.lake, self.warehouse = root / "lake", root / "imagelake.duckdb"
        self.environment = {
            **os.environ,
            **emulator.environment(),
            "PREFECT_API_URL": api,
            "PREFECT_HOME": str(root / "prefect"),
            "IMAGELAKE_EXTERNAL_ID": SECRET,
        }
        self._take_first(emulator)
        self._run("bash", "-ec", alerting(webhook), folder=root)
        self.deployment = self._run(sys.executable, "-c", SETTING_UP).stdout.strip()
        mine = root / "golden_ami_changed.yaml"
        text = (PROJECT / "data/prefect/golden_ami_changed.yaml").read_text()
        mine.write_text(text.replace("DEPLOYMENT_ID", self.deployment))
        self._run(binary("prefect"), "automation", "create", "--from-file", str(mine))
        self.failed = self._ended("FAILED", "the disk is full")
        self.late = self._ended("SCHEDULED", "due", scheduled_time="2025-11-20T02:00:00Z")
        self.stuck = self._ended("RUNNING", "begun")
        emulator.set_clock(CLOCK + timedelta(days=1))
        before = self._golden_amis()
        self.flow_run = self._take_second()
        self.events = self._all_events()
        after = self._golden_amis()
        self.golden = {
            key: (before.get(key), after.get(key))
            for key in before.keys() | after.keys()
            if before.get(key) != after.get(key)
        }
        self.counts = self._counts()

    def of_run(self, kind: str) -> list[dict[str, Any]]:
        """The run's artifacts or logs, the oldest first."""
        query = {"flow_runs": {"id": {"any_": [self.flow_run["id"]]}}}
        if kind == "logs":
            query = {"logs": {"flow_run_id": {"any_": [self.flow_run["id"]]}}}
        found: list[dict[str, Any]] = post(f"{self.api}/{kind}/filter", query)
        return sorted(found, key=lambda one: one.get("timestamp") or one["created"])

    def _take_first(self, emulator: Emulator) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in emulator.environment().items():
                patch.setenv(name, value)
            take_snapshot(
                SnapshotParameters.model_validate(
                    {
                        "lake": str(self.lake),
                        "warehouse": self.warehouse,
                        "region": [EAST, WEST],
                        "date": "2025-11-20",
                    }
                )
            )

    def _golden_amis(self) -> dict[tuple[str, str, str], str]:
        query = "select image_slug, ami_region, ami_account_id, ami_id from golden_amis"
        with connect(self.warehouse) as connection:
            return {(*key,): ami for *key, ami in connection.execute(query).fetchall()}

    def _counts(self) -> dict[str, int]:
        query = """
        select (select count(*) from current_builds),
            (select count(*) from build_changes where snapshot_date = '2025-11-21')"""
        with connect(self.warehouse) as connection:
            ((builds, changed),) = connection.execute(query).fetchall()
        return {"builds": builds, "changed": changed}

    def _take_second(self) -> dict[str, Any]:
        command = [binary("imagelake"), "run", "--region", EAST, "--region", WEST]
        place = ["--lake", str(self.lake), "--warehouse", str(self.warehouse)]
        ended = self._run(*command, "--date", "2025-11-21", *place, status=3)
        self.log = ended.stdout + ended.stderr
        (flow_run,) = [
            run
            for run in post(f"{self.api}/flow_runs/filter", {"limit": 200})
            if run["parameters"].get("parameters", {}).get("lake") == str(self.lake)
        ]
        return dict(flow_run)

    def _ended(self, kind: str, message: str, **details: str) -> str:
        """A run of the flow `snapshot` that the server knows in that state only."""
        flow = post(f"{self.api}/flows/", {"name": "snapshot"})
        state = {"type": kind, "message": message, "state_details": details}
        run = post(f"{self.api}/flow_runs/", {"flow_id": flow["id"], "state": state})
        return str(run["id"])

    def _all_events(self) -> list[dict[str, Any]]:
        """The run's own, in their order, once the last of them is there."""
        names = {"prefix": ["imagelake.", "prefect.asset."]}
        query = {"filter": {"event": names, "order": "ASC"}, "limit": 50}
        run = f"prefect.flow-run.{self.flow_run['id']}"

        def events() -> list[dict[str, Any]] | None:
            found = [
                event
                for event in post(f"{self.api}/events/filter", query)["events"]
                if run in {resource["prefect.resource.id"] for resource in event["related"]}
            ]
            is_all = any(event["event"] == COMMITTED for event in found)
            return found if is_all else None

        return wait_for(events, ACT_SECONDS)

    def _run(
        self, *command: str, status: int = 0, folder: Path = PROJECT
    ) -> "subprocess.CompletedProcess[str]":
        ended = subprocess.run(
            command, capture_output=True, text=True, env=self.environment, cwd=folder, check=False
        )
        assert ended.returncode == status, ended.stdout + ended.stderr
        return ended


@contextmanager
def receiving() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """An endpoint's address and the JSON that it was sent, while it is there."""
    received: list[dict[str, str]] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", received
    finally:
        server.shutdown()


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


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Prefect server that does not answer, and is not asked for long."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setattr("flows.telling.RETRIES", 0)
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        yield


@pytest.mark.usefixtures("nobody")
@pytest.mark.filterwarnings("ignore:Artifact creation outside of a flow")
def test_artifacts_that_cannot_be_made_are_one_line(
    parameters: Callable[..., SnapshotParameters], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens to the progress, the watch below is told everything."""
    from flows.telling import Progress, make_artifacts

    monkeypatch.setattr("flows.telling.PROGRESS_SECONDS", 0.01)
    warnings: list[str] = []
    said: list[str] = []
    outcomes = [TargetOutcome(HOME, EAST, "complete"), TargetOutcome(HOME, WEST, "complete")]
    with Progress(Lines(said.append), warnings.append) as progress:
        progress.planned([Target(HOME, EAST), Target(HOME, WEST)])
        for outcome in outcomes:
            progress.called(outcome)
            time.sleep(0.1)
        progress.doing("writing")
    make_artifacts(parameters(), PARTIAL, MUCH, warnings.append)
    assert [line.partition(":")[0] for line in warnings] == [
        "the progress is not shown",
        "the run has not all its artifacts",
    ]
    assert said[0] == "reading 2 targets"
    assert len(said) == 4


def test_a_lake_whose_name_no_asset_can_have_is_committed_without(
    parameters: Callable[..., SnapshotParameters], tmp_path: Path
) -> None:
    from flows.telling import committing

    warnings: list[str] = []
    spaced = parameters(lake=str(tmp_path / "my lake"))
    assert committing(spaced, take_nothing, warnings.append) is take_nothing
    (line,) = warnings
    assert line.startswith("the tables are no assets: ")


def take_nothing() -> Any:
    raise AssertionError("never called")
