"""A lake whose runs alert: the README's automations on a real Prefect server, and a tracked run.

Its first snapshot is whole; the second is denied a region, and finds golden AMIs that changed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from flows.alerts import COMMITTED
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from lake.warehouse import connect
from tests.conftest import CLOCK
from tests.prefect_server import binary, post, wait_for

HOME, EAST, WEST = ACCOUNTS[0], REGIONS[0], REGIONS[1]
PROJECT = Path(__file__).parents[1]
SECRET = "an-external-id"  # noqa: S105 - what must be told nowhere
ACT_SECONDS = 60.0
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
