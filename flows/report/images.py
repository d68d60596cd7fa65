"""The sections that say how fit images are: their age, where their AMIs are, what is to go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flows.report import charts
from flows.report.content import Column, Figure, Mark, Row, Section, Table
from flows.report.moods import BAD, OK, QUIET, WARN, colour_of
from flows.report.reading import Answers
from flows.report.wording import is_or_are, of_all, percent, table_of, with_pairs
from flows.terminal import counted

_PRESENT = Mark("●", OK, "the newest build has an AMI here")
_ABSENT = Mark("·", QUIET, "none of the newest builds has an AMI here")


def age(answers: Answers) -> Section:
    """How old the golden builds are."""
    totals, bands = answers["image_age_totals"].row, answers["image_age_bands"]
    images = totals["images"]
    if not images:
        return Section("age", "Image age", "No image has a build listed")
    figure = Figure(
        "image-age",
        "Images by the age of their golden build, in days",
        f"Half of them are {counted(totals['median_days'], 'day')} old or younger."
        if totals["median_days"] is not None
        else "No image has a golden build whose age is known.",
        charts.columns(
            [{**row, "series": "images"} for row in bands.rows],
            {"images": "var(--accent)"},
            "images",
        ),
        table_of("Images by age", bands, ("label", "Age", "text"), ("count", "Images", "count")),
    )
    return Section(
        "age",
        "Image age",
        _age(totals),
        "The age is that of the golden build: what an instance that is launched today is made of.",
        pill=f"{totals['without_golden']:,}" if totals["without_golden"] else "",
        mood=WARN,
        figures=[figure],
        tables=[
            table_of(
                "Images without a golden build, then the oldest",
                answers["oldest_images"],
                ("name", "Image", "text"),
                ("target", "Account, region", "target"),
                ("age_days", "Age", "days"),
                ("golden_version", "Golden build", "code"),
                ("newest_state_status", "Newest build", "state"),
                ("newest_created_at", "created", "date"),
                ("build_count", "Builds", "count"),
            )
        ],
    )


def _age(totals: Row) -> str:
    if totals["old"]:
        told = f"{of_all(totals['old'], totals['images'], 'image')} {is_or_are(totals['old'])} "
    else:
        told = f"None of {counted(totals['images'], 'image')} is "
    told += "older than 90 days"
    if without := totals["without_golden"]:
        told += f", {without:,} {'has' if without == 1 else 'have'} no golden build"
    return told


def regions(answers: Answers) -> Section:
    """Where the newest builds' AMIs are, image by region."""
    gaps, answer = answers["region_gaps"].row, answers["region_coverage"]
    if not answer.rows:
        return Section("regions", "Regions", "No AVAILABLE build lists an AMI")
    missing = gaps["incomplete"]
    finding = (
        f"The newest build of {of_all(missing, gaps['images'], 'image')} misses a region or account "
        "that the builds before it reached"
        if missing
        else f"The newest build of each of {counted(gaps['images'], 'image')} is wherever the builds "
        "before it were"
    )
    return Section(
        "regions",
        "Regions",
        finding,
        "An image's newest five AVAILABLE builds are compared. The sign ● says that the newest one has "
        "an AMI in the region, ○ that it has none though a build before it has, · that none has.",
        pill=f"{missing:,}" if missing else "",
        mood=WARN,
        tables=[_matrix(answer.rows, answer.total, answer.more)],
    )


def _matrix(rows: Sequence[Row], total: int, query: str) -> Table:
    places = sorted({row["ami_region"] for row in rows})
    keys = {place: f"place {number}" for number, place in enumerate(places)}
    images: dict[int, dict[str, object]] = {}
    for row in rows:
        image = images.setdefault(
            row["place"],
            {
                **with_pairs(row),
                **dict.fromkeys(keys.values(), _ABSENT),
            },
        )
        image[keys[row["ami_region"]]] = _mark(row)
    return Table(
        "Image by AMI region, those that miss most first",
        [
            Column("name", "Image"),
            Column("target", "Built in", "target"),
            *(Column(key, place, "mark") for place, key in keys.items()),
        ],
        [*images.values()],
        total,
        query,
    )


def _mark(row: Row) -> Mark:
    if not row["missing"]:
        return _PRESENT
    last = row["last_version"]
    if row["missing"] == row["places"]:
        return Mark("○", BAD, f"the newest build has no AMI here; the last that has is {last}")
    there = row["places"] - row["missing"]
    says = f"the newest build has an AMI in {there} of {counted(row['places'], 'account')} here"
    return Mark(f"○ {there}/{row['places']}", WARN, f"{says}; elsewhere the last is {last}")


def deprecations(answers: Answers) -> Section:
    """Which AVAILABLE builds are to be deprecated, and when."""
    totals = answers["deprecation_totals"].row
    if not totals["dated"]:
        return Section(
            "deprecations", "Deprecations", "No AVAILABLE build has a deprecation time set"
        )
    alone = totals["overdue_alone"] + totals["due_soon_alone"]
    return Section(
        "deprecations",
        "Deprecations",
        f"{counted(totals['overdue'], 'AVAILABLE build')} {is_or_are(totals['overdue'])} past the "
        f"deprecation time, {totals['due_soon']:,} due within 30 days",
        f"Of those, {alone:,} {'has' if alone == 1 else 'have'} no newer AVAILABLE build of the image "
        "to take their place.",
        pill=f"{alone:,} alone" if alone else "",
        mood=WARN,
        figures=[*_calendar(answers)],
        tables=[
            table_of(
                "Overdue or due within 90 days, those without a successor first",
                answers["deprecations"],
                ("build", "Image, version", "build"),
                ("target", "Account, region", "target"),
                ("deprecation_time", "Deprecation", "date"),
                ("days_left", "Days left", "days"),
                ("successor", "Newest build", "code"),
            )
        ]
        if answers["deprecations"].rows
        else [],
    )


def _calendar(answers: Answers) -> Iterator[Figure]:
    answer = answers["deprecation_months"]
    total = answers["deprecation_totals"].row["dated"]
    alone = sum(row["count"] for row in answer.rows if row["series"] == "no successor")
    series = {name: colour_of(name) for name in ("no successor", "has a newer build")}
    yield Figure(
        "deprecation-calendar",
        "AVAILABLE builds by the month of their deprecation",
        f"{percent(alone, total)} of {counted(total, 'build')} have no newer build.",
        charts.columns(answer.rows, series, "builds"),
        table_of(
            "Builds by month of deprecation",
            answer,
            ("label", "Month", "text"),
            ("series", "Successor", "text"),
            ("count", "Builds", "count"),
        ),
    )


def tags(answers: Answers) -> Section:
    """Which tags the accounts' own builds carry, and which they must.

    Where there is no build the answer has no key, the required ones neither.
    """
    answer, newest = answers["tag_keys"], answers["summary"].row
    is_all_own = newest["own_builds"] == newest["builds"]
    whose = "listed" if is_all_own else "own"
    lead = "" if is_all_own else "Builds that are listed as another owner's do not count. "
    option = "The option --required-tag of imagelake run names a tag that each build has to carry."
    if not newest["own_builds"]:
        finding = "No build is listed" if is_all_own else "No own build is listed"
        return Section("tags", "Tags", finding, lead + option)
    if not answer.rows:
        finding = f"No {whose} build carries a tag, and none is required"
        return Section("tags", "Tags", finding, lead + option)
    required, complete = (answer.rows[0][name] for name in ("required_keys", "complete_keys"))
    return Section(
        "tags",
        "Tags",
        f"{of_all(complete, required, 'required tag')} {is_or_are(complete)} on every {whose} build"
        if required
        else f"The {whose} builds carry {counted(answer.total, 'tag key')}; none is required",
        lead.rstrip() if required else lead + option,
        pill=f"{required - complete:,}" if required > complete else "",
        mood=WARN,
        tables=[
            table_of(
                "Tag keys, required ones first, then the rarest",
                answer,
                ("tag_key", "Key", "text"),
                ("requirement", "Required", "text"),
                ("tagged", "Builds with it", "count"),
                ("untagged", "Without", "count"),
                ("share", "Share", "share"),
            )
        ],
    )
