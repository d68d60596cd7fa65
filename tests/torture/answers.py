"""What a reader asks in each transaction, and what must hold of the answers.

Each row says which run it is of, and its label how many there must be: so rows of two runs, rows
that are missing and rows that come twice are told from the answers alone.
"""

from collections.abc import Iterable
from typing import Any

Row = tuple[Any, ...]
Answers = dict[str, list[Row]]
"""By question, the rows of its answer."""

LABELS = {
    "image_builds": "name",
    "image_amis": "ami_name",
    "image_containers": "repository",
    "image_region_failures": "error_message",
}
"""Where the rows of a table carry their run's label."""

VISIBLE = (
    "select snapshot_date::varchar, run_id, epoch_ms(effective_at) from visible_runs order by 1"
)
_RUN = "snapshot_date::varchar as day, run_id, region"
QUERIES = {
    **{
        table: f"select {_RUN}, {label}, count(*) from {table} group by all order by all"
        for table, label in LABELS.items()
    },
    "snapshots": """
        select
            snapshot_date::varchar, run_id, image_builds_count, image_amis_count,
            image_containers_count, image_region_failures_count, snapshot_targets_count
        from snapshots order by all
    """,
    "snapshot_targets": f"select {_RUN}, coverage, builds from snapshot_targets order by all",
    "union": " union all ".join(
        f"select '{table}', {_RUN}, {label}, count(*) from {table} group by all"
        for table, label in LABELS.items()
    ),
    "full join": """
        select
            count(*) filter (a.image_arn is null)::bigint,
            count(*) filter (b.arn is null)::bigint,
            count(*)::bigint
        from image_builds as b
        full join image_amis as a
            on
                b.snapshot_date = a.snapshot_date and b.run_id = a.run_id
                and b.region = a.region and b.arn = a.image_arn and b.name = a.ami_name
    """,
    "current_builds": (
        f"select {_RUN}, name, count(*) from current_builds group by all order by all"
    ),
    "current_amis": (
        f"select {_RUN}, ami_name, count(*) from current_amis group by all order by all"
    ),
}


def problems(answers: Answers) -> Iterable[str]:
    """What is wrong within the answers of one transaction, in words."""
    if answers["visible"] != answers["visible again"]:
        yield "the runs that show changed within a transaction"
    runs = {(day, run) for day, run, _ in answers["visible"]}
    if len(runs) != len({day for day, _ in runs}):
        yield "a date shows more than one run"
    for name in (*LABELS, "snapshots", "snapshot_targets"):
        if {(day, run) for day, run, *_ in answers[name]} != runs:
            yield f"{name} has other runs than show"
    yield from _of_labels(answers)
    separate = sorted(((t, *row) for t in LABELS for row in answers[t]), key=repr)
    if separate != sorted(answers["union"], key=repr):
        yield "the union of the tables differs from the tables"
    amis = sum(row[-1] for row in answers["image_amis"])
    if answers["full join"] != [(0, 0, amis)]:
        yield f"builds and AMIs do not join: {answers['full join']}, {amis} AMIs"
    counts = totals(answers)
    for day, run, *told in answers["snapshots"]:
        has = [counts.get((day, run, table), 0) for table in (*LABELS, "snapshot_targets")]
        if has != told:
            yield f"{day}: snapshots tells {told} rows, there are {has}"
    yield from _of_current(answers)


def _of_labels(answers: Answers) -> Iterable[str]:
    """Each region of a date has one label, in all tables, and as many rows as the label says."""
    rows: dict[Row, dict[str, list[tuple[str, int]]]] = {}
    for table in LABELS:
        for day, run, region, label, count in answers[table]:
            of_region = rows.setdefault((day, run, region), {name: [] for name in LABELS})
            of_region[table].append((label, count))
    for place, of_region in rows.items():
        label = str(of_region["image_builds"][0][0]) if of_region["image_builds"] else "none.0.0"
        _, builds, amis = label.split(".")
        count = int(builds)
        expected = {table: [(label, count)] for table in LABELS}
        expected["image_amis"] = [(label, count * int(amis))]
        if of_region != expected:
            yield f"{place}: expected {expected}, found {of_region}"
    told = {
        (day, run, region): builds for day, run, region, _, builds in answers["snapshot_targets"]
    }
    has = {place: sum(n for _, n in of_region["image_builds"]) for place, of_region in rows.items()}
    if {place: count for place, count in told.items() if count} != has:
        yield f"snapshot_targets tells {told} builds, there are {has}"


def _of_current(answers: Answers) -> Iterable[str]:
    """The current rows are those of each region's newest date that has them whole."""
    newest: dict[str, Row] = {}
    for day, run, region, coverage, _ in answers["snapshot_targets"]:
        if coverage == "whole":
            newest[region] = max(newest.get(region, ("",)), (day, run, region))
    for name, table in (("current_builds", "image_builds"), ("current_amis", "image_amis")):
        expected = [row for row in answers[table] if row[:3] == newest.get(row[2])]
        if answers[name] != expected:
            yield f"{name}: expected {expected}, found {answers[name]}"


def totals(answers: Answers) -> dict[Row, int]:
    """Rows by date, run and table."""
    counts: dict[Row, int] = {}
    for table in LABELS:
        for day, run, _, _, count in answers[table]:
            counts[day, run, table] = counts.get((day, run, table), 0) + count
    for day, run, *_ in answers["snapshot_targets"]:
        key = (day, run, "snapshot_targets")
        counts[key] = counts.get(key, 0) + 1
    for day, run, *_ in answers["snapshots"]:
        counts[day, run, "snapshots"] = counts.get((day, run, "snapshots"), 0) + 1
    return counts
