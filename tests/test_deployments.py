"""What `prefect.yaml` deploys runs on a schedule, one at a time, and outlives what kills it.

A real Prefect server, a real process worker and the README's own five commands; between the server
and all others stands a relay that can be cut.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Browser, Error, Page

from extract.asks import LIST_BUILDS
from extract.emulator import Emulator
from extract.landing import landed_pages
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from lake.warehouse import connect
from schemas.tables import DATA_TABLES
from tests.conftest import CLOCK
from tests.prefect_server import SERVER, Relay, binary, get, post, wait_for

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text()
EAST, WEST = "us-east-1", "us-west-2"
RUN_SECONDS = 120.0
"""A run takes about 10 s of its worker's time; the rest is for a busy machine."""
PAGE_SIZE = 10
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}

pytestmark = pytest.mark.long
"""A server, a worker and a process a run, which take their minute."""


def commands_shown() -> list[str]:
    """The five commands under "Run it on a schedule"."""
    section = README.partition("\n## Run it on a schedule\n")[2]
    block = section.partition("```console\n")[2].partition("```")[0]
    lines = block.replace("\\\n", " ").strip().splitlines()
    return [line.removeprefix("$ ") for line in lines]


class Site:
    """A server, a relay before it, a work pool, both deployments and a worker, as the README says."""

    def __init__(self, api: str, emulator: Emulator, root: Path) -> None:
        _, exports, self.pool_command, self.deploy_command, self.worker_command = commands_shown()
        self.relay = Relay(api)
        self.emulator = emulator
        self.root = root
        self.lake, self.warehouse = root / "lake", root / "imagelake.duckdb"
        given = {
            "PREFECT_API_URL": self.relay.api,
            "IMAGELAKE_LAKE": str(self.lake),
            "IMAGELAKE_WAREHOUSE": str(self.warehouse),
        }
        assert [name.partition("=")[0] for name in shlex.split(exports)[1:]] == list(given)
        self.environment = {
            **os.environ,
            **emulator.environment(),
            **given,
            "PREFECT_HOME": str(root / "prefect"),
            "PREFECT_WORKER_QUERY_SECONDS": "1",  # a run is picked up in a second instead of ten
            "IMAGELAKE_REGION": f"{EAST},{WEST}",
            "IMAGELAKE_PAGE_SIZE": str(PAGE_SIZE),
            "IMAGELAKE_CRON": "* * * * * */20",  # a sixth field: every twenty seconds
        }
        self.dates = (date(2025, 11, 20) + timedelta(days) for days in count())
        self.log = root / "worker.log"
        self._worker: subprocess.Popen[bytes] | None = None

    def run(self, command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """A command of the README, to its end, in the project's folder."""
        return subprocess.run(
            as_shown(command),
            capture_output=True,
            text=True,
            cwd=PROJECT,
            env={**self.environment, **environment},
            check=False,
        )

    def work(self) -> None:
        """Sees to it that a worker runs, in a folder that has nothing of the project."""
        if self._worker and self._worker.poll() is None:
            return
        with self.log.open("ab") as log:
            self._worker = subprocess.Popen(
                as_shown(self.worker_command),
                stdout=log,
                stderr=log,
                cwd=self.root,
                env=self.environment,
            )

    def kill(self) -> None:
        """The worker and the processes of its runs are gone, none of them with a last word."""
        assert self._worker
        pids = [self._worker.pid, *descendants(self._worker.pid)]
        assert len(pids) > 1
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self._worker.wait()

    def stop(self) -> None:
        if self._worker:
            self._worker.terminate()
            self._worker.wait(60)

    @property
    def deployment(self) -> Any:
        return get(f"{self.relay.api}/deployments/name/snapshot/snapshot")

    def begin(self, **parameters: object) -> str:
        """A run of the deployment, now, with its own parameters and these: its id."""
        deployment = self.deployment
        given = {**deployment["parameters"]["parameters"], **parameters}
        created = post(
            f"{self.relay.api}/deployments/{deployment['id']}/create_flow_run",
            {"parameters": {"parameters": given}, "state": {"type": "SCHEDULED"}},
        )
        return str(created["id"])

    def end(self, flow_run: str) -> tuple[str, str, str]:
        """The type, name and message of its final state."""
        url = f"{self.relay.api}/flow_runs/{flow_run}"

        def state() -> Any:
            state = get(url)["state"]
            return state if state["type"] in ENDED else None

        ended = wait_for(state, RUN_SECONDS, self.log)
        return ended["type"], ended["name"], ended["message"]

    def reads(self, calls: int) -> None:
        """Returns once the endpoint has answered so many calls of lists."""
        wait_for(lambda: len(asked(self.emulator)) >= calls, RUN_SECONDS, self.log)

    def commits(self, day: str) -> list[Path]:
        return list(self.lake.glob(f"_commits/{day}_*"))


def as_shown(command: str) -> list[str]:
    name, *arguments = shlex.split(command.removesuffix("&"))
    return [binary(name.removeprefix(".venv/bin/")), *arguments]


def asked(emulator: Emulator) -> list[tuple[str, str | None]]:
    """The answered calls of lists so far: region, token."""
    return [
        (call["region"], call["token"])
        for call in emulator.requests()
        if call["operation"] == LIST_BUILDS and call["status"] == 200
    ]


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in children for found in (int(child), *descendants(int(child)))]


def landed(lake: Path, day: str) -> list[tuple[str, str | None]]:
    """What the pages of the date's landings are the answers to."""
    return [
        (page.region, page.token)
        for landing in sorted(lake.glob(f"_raw/snapshot_date={day}/*"))
        for page in landed_pages(landing)
    ]


def rows(warehouse: Path, day: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the date, of all data tables, without what tells two runs apart."""
    with connect(warehouse) as connection:
        return {
            table.name: connection.execute(
                "select * exclude (snapshot_date, run_id, captured_at) "  # noqa: S608 - our own table
                f"from {table.name} where snapshot_date = ? order by all",
                [day],
            ).fetchall()
            for table in DATA_TABLES
        }


@dataclass(frozen=True)
class Whole:
    """What an undisturbed, untracked run of the same parameters asks, in any order, and its rows."""

    asked: list[str]
    rows: dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def site(
    api: str, start_emulator: Callable[..., Emulator], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The README's commands but for the worker's; the emulator is this module's own."""
    site = Site(api, start_emulator(clock=CLOCK), tmp_path_factory.mktemp("site"))
    assert as_shown(commands_shown()[0]) == SERVER
    for command in (site.pool_command, site.deploy_command):
        ran = site.run(command)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="module")
def whole(site: Site) -> Whole:
    day = str(next(site.dates))
    parameters = SnapshotParameters(
        lake=str(site.root / "whole"),
        warehouse=site.root / "whole.duckdb",
        date=date.fromisoformat(day),
        region=[EAST, WEST],
        page_size=PAGE_SIZE,
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in site.emulator.environment().items():
            patch.setenv(name, value)
        site.emulator.clear_requests()
        take_snapshot(parameters)
    return Whole(in_any_order(asked(site.emulator)), rows(parameters.warehouse, day))


def in_any_order(calls: list[tuple[str, str | None]]) -> list[str]:
    return sorted(map(str, calls))


@dataclass(frozen=True)
class Scheduled:
    """The first run that the schedule started, by its id, and how one beside it ended."""

    flow_run: str
    beside: tuple[str, str, str]


@pytest.fixture(scope="module")
def scheduled(site: Site) -> Scheduled:
    """Lets the schedule start one run, and no other after it."""
    site.emulator.set_faults("*", {"latency_ms": 1000})
    site.work()
    query = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}

    def running() -> Any:
        runs = post(f"{site.relay.api}/flow_runs/filter", query)
        return [run["id"] for run in runs if run["deployment_id"] == site.deployment["id"]]

    (flow_run,) = wait_for(running, RUN_SECONDS, site.log)
    post(f"{site.relay.api}/deployments/{site.deployment['id']}", {"paused": True}, "PATCH")
    beside = site.end(site.begin())
    site.emulator.clear_faults()
    site.end(flow_run)
    return Scheduled(flow_run, beside)


def test_a_scheduled_run_is_taken(site: Site, whole: Whole, scheduled: Scheduled) -> None:
    """It ends Completed, with the lake committed; its state says what it covered."""
    builds = len(whole.rows["image_builds"])
    assert get(f"{site.relay.api}/flow_runs/{scheduled.flow_run}")["auto_scheduled"]
    assert site.end(scheduled.flow_run) == (
        "COMPLETED",
        "Completed",
        f"2 targets, {builds} builds",
    )
    today = "select run_id from snapshots where snapshot_date > '2026-01-01'"
    with connect(site.warehouse) as connection:
        ((run_id,),) = connection.execute(today).fetchall()
    assert len(list(site.lake.glob(f"_commits/*_{run_id}_*"))) == 1


def test_a_run_beside_another_is_cancelled(scheduled: Scheduled) -> None:
    assert scheduled.beside == (
        "CANCELLED",
        "Cancelled",
        "Deployment concurrency limit reached.",
    )


def test_the_ui_shows_the_run_and_its_sentence(
    site: Site, scheduled: Scheduled, browser: Browser
) -> None:
    """Both of the server's UIs, with the five steps as tasks; nothing fails to load."""
    sentence = site.end(scheduled.flow_run)[2]
    root = site.relay.server_api.removesuffix("/api")
    for version, address in (("v1", f"{root}/runs"), ("v2", f"{root}/v2/runs")):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        failed = errors_of(page)
        page.goto(f"{address}/flow-run/{scheduled.flow_run}?tab=Details")
        page.get_by_text(sentence).first.wait_for(timeout=60_000)
        page.get_by_text("5 Task runs").first.wait_for(timeout=60_000)
        page.screenshot(path=site.root / f"{version}.png", full_page=True)
        assert page.get_by_text("Completed", exact=True).first.is_visible()
        assert failed == []
        page.close()


def test_the_ui_draws_a_form_of_the_parameters(site: Site, browser: Browser) -> None:
    """A field of each, with the help text of its option, and the deployment's own values in them."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    failed = errors_of(page)
    root = site.relay.server_api.removesuffix("/api")
    page.goto(f"{root}/v2/deployments/deployment/{site.deployment['id']}/run")
    page.get_by_text("The lake: a folder, or s3://BUCKET/PREFIX.").wait_for(timeout=60_000)
    shown = " ".join(page.inner_text("body").split())
    helps = [field.description for field in SnapshotParameters.model_fields.values()]
    assert [text for text in helps if " ".join(str(text).split()) not in shown] == []
    filled = [box.input_value() for box in page.get_by_role("textbox").all()]
    assert {str(site.lake), str(site.warehouse), EAST, WEST} <= set(filled)
    assert failed == []
    page.close()


@pytest.mark.parametrize(
    "wrong", [{"page_size": 0}, {"page_size": "many"}, {"owner": ["Everybody"]}], ids=str
)
def test_the_server_refuses_what_the_model_does(site: Site, wrong: dict[str, object]) -> None:
    with pytest.raises(HTTPError) as refused:
        site.begin(**wrong)
    assert refused.value.code == 409
    assert next(iter(wrong)) in refused.value.read().decode()


def errors_of(page: Page) -> list[Error]:
    """The page's uncaught errors, as they come."""
    errors: list[Error] = []

    def add(error: Error) -> None:
        errors.append(error)

    page.on("pageerror", add)
    return errors


@pytest.mark.usefixtures("scheduled")
def test_a_killed_run_leaves_nothing_and_the_next_goes_on_with_its_pages(
    site: Site, whole: Whole
) -> None:
    """Worker and flow process are gone at once; no page is asked again, and the rows are whole."""
    day = str(next(site.dates))
    site.emulator.clear_requests()
    site.emulator.set_faults("*", {"latency_ms": 200})
    site.work()
    killed = site.begin(date=day)
    site.reads(8)
    site.kill()
    time.sleep(0.5)  # calls that it had under way are answered to nobody
    site.emulator.clear_faults()
    before = landed(site.lake, day)
    assert len(before) >= 6
    assert site.commits(day) == []

    site.emulator.clear_requests()
    crashed = {"state": {"type": "CRASHED"}, "force": True}  # or five minutes later by itself
    post(f"{site.relay.api}/flow_runs/{killed}/set_state", crashed)
    site.work()
    assert site.end(site.begin(date=day))[:2] == ("COMPLETED", "Completed")
    assert in_any_order(before + asked(site.emulator)) == whole.asked
    assert rows(site.warehouse, day) == whole.rows


@pytest.mark.usefixtures("scheduled")
def test_a_run_outlives_its_server_and_tells_it_afterwards(site: Site, whole: Whole) -> None:
    """It commits while the server is away; then its end is reported as if nothing had been."""
    day = str(next(site.dates))
    site.emulator.clear_requests()
    site.emulator.set_faults("*", {"latency_ms": 200})
    site.work()
    flow_run = site.begin(date=day)
    site.reads(8)
    site.relay.down()
    site.emulator.clear_faults()
    wait_for(lambda: site.commits(day), RUN_SECONDS, site.log)
    wait_for(lambda: "waiting to report it" in site.log.read_text(), RUN_SECONDS, site.log)
    site.relay.up()
    builds = len(whole.rows["image_builds"])
    assert site.end(flow_run) == (
        "COMPLETED",
        "Completed",
        f"2 targets, {builds} builds, 0 changed",
    )
    assert rows(site.warehouse, day) == whole.rows


def test_what_could_not_be_told_is_said(site: Site) -> None:
    """The server never comes back: the lake is committed, the status 3, the last line the reason."""
    day, relay = str(next(site.dates)), Relay(site.relay.server_api)
    site.emulator.clear_requests()
    site.emulator.set_faults("*", {"latency_ms": 100})
    process = subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, "run", "--date", day],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**site.environment, "PREFECT_API_URL": relay.api},
    )
    site.reads(8)
    relay.down()
    site.emulator.clear_faults()
    said, _ = process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 3, said
    last = said.splitlines()[-1]
    assert last.startswith("imagelake: committed, but Prefect could not be told: ")
    assert last.endswith("Connection refused")
    assert len(site.commits(day)) == 1


IMPATIENT = """
from flows import cli, reporting
reporting.REPORT_SECONDS = 1.0
cli.main()
"""


def test_a_site_without_a_work_pool_is_served_until_ctrl_c(site: Site) -> None:
    """Both schedules follow the zone; Ctrl-C ends the process at once and pauses them."""
    site.stop()
    site.emulator.clear_faults()
    command = [binary("imagelake"), "serve", "--timezone", "Europe/Berlin"]
    given = {**site.environment, "PREFECT_API_URL": site.relay.server_api}
    log = site.root / "serve.log"
    url = f"{site.relay.server_api}/deployments/name"

    def served() -> Any:
        made = [get(f"{url}/{name}/{name}") for name in ("snapshot", "maintain")]
        zones = [schedule["schedule"]["timezone"] for d in made for schedule in d["schedules"]]
        return made if zones == ["Europe/Berlin"] * 2 and not made[0]["paused"] else None

    with log.open("wb") as to:
        process = subprocess.Popen(command, stdout=to, stderr=to, env=given, cwd=site.root)
    try:
        wait_for(served, RUN_SECONDS, log)
        wait_for(
            lambda: "Finished in state Completed('2 targets" in log.read_text(), RUN_SECONDS, log
        )
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert get(f"{url}/snapshot/snapshot")["paused"]
