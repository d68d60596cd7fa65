"""A run's artifacts say what was covered, what changed and what to do; outside text shows, as text."""

from dataclasses import replace
from pathlib import Path

import pytest

from flows.digest import Link, digest, lake_link, report_link, target_rows
from flows.markdown import escaped
from flows.summary import sentence
from tests.summaries import COMPLETE, HOSTILE, LAKE, MUCH, NOTHING, PARTIAL, TARGETS, WAREHOUSE

SHOWN = (
    r"\<img src=x onerror=alert(1)\> \| \`rm\` \[me\](http\://evil.example) \*b\* "
    r"www\.evil.example"
)
DENIED_SHOWN = (
    r"User is not authorized \| see \<b\>https\://evil.example\</b\>; have the policy changed"
)
FAILED = "from build_state_changes where snapshot_date = '2025-11-20' and to_status = 'FAILED'"
WHOLE = rf"""## Snapshot 2025-11-20: partial

1 of 3 targets read whole in 4.8 s; 357 builds, 1,200 AMIs, 1 container URI, 0 region failures.
Kept from an earlier run of the date: 1 target.

### Not read whole

| target | status | error | last read whole | what happened and what to do |
| --- | --- | --- | --- | --- |
| 111122223333/eu-west-1 | failed | AccessDeniedException | 2025-11-18 | {DENIED_SHOWN} |
| 111122223333/us-west-2 | truncated | MaxItems | never | stopped after 100 builds |

### Warnings

- image\_builds: 1 row has the state {SHOWN}

### Changed since 2025-11-18 to 2025-11-19

1,037 builds, of whose states:

| builds | was | is now |
| --- | --- | --- |
| 1,000 | (new) | AVAILABLE |
| 37 | BUILDING | FAILED |

### Builds that failed: 37

| target | build | was | step | reason |
| --- | --- | --- | --- | --- |
| 111122223333/us-east-1 | web/1.1.0/1 | BUILDING | Install | {SHOWN} |

And 36 more: `imagelake sql "{FAILED}"` lists them.

### Golden AMIs that changed: 2

| target | image | AMI region | AMI account | was | is now |
| --- | --- | --- | --- | --- | --- |
| 111122223333/us-east-1 | {SHOWN} | us-east-1 | 111122223333 | 1.0.0/1 ami-0a | 1.1.0/2 ami-0b |
| 111122223333/us-east-1 | db | us-east-1 | 111122223333 | 1.0.0/1 ami-0c | none |

### Builds that disappeared: 1

| target | build | was |
| --- | --- | --- |
| 111122223333/us-east-1 | web\_base/1.0.0/1 | DEPRECATED |

### Stale targets: 2

| target | last read whole | failed attempts since | error |
| --- | --- | --- | --- |
| 111122223333/eu-west-1 | 2025-11-18 02:01 UTC | 2 | {DENIED_SHOWN} |
| 111122223333/me-south-1 | never | 0 |  |

Run 20251120T020000000000Z-1a2b3c4d, in the lake /srv/image\_lake;
ask the warehouse /srv/imagelake.duckdb with `imagelake sql`.
"""


def test_the_digest_of_a_run_that_changed_much() -> None:
    assert digest(PARTIAL, MUCH, LAKE, WAREHOUSE) == WHOLE


def test_the_digest_of_a_run_that_changed_nothing() -> None:
    assert digest(COMPLETE, NOTHING, LAKE, WAREHOUSE) == (
        "## Snapshot 2025-11-21: complete\n\n"
        "1 of 1 target read whole in 4.8 s; 250 builds, 1,200 AMIs, 1 container URI, "
        "0 region failures.\n\n"
        "No target was read whole both now and before: there is nothing to compare.\n\n"
        "Run 20251121T020000000000Z-1a2b3c4d, in the lake /srv/image\\_lake;\n"
        "ask the warehouse /srv/imagelake.duckdb with `imagelake sql`.\n"
    )


def test_the_digest_where_what_changed_cannot_be_told() -> None:
    """What was covered still is."""
    run = replace(COMPLETE, warehouse_problem="a full_disk")
    said = digest(run, None, LAKE, WAREHOUSE)
    assert "compare" not in said
    assert r"- the warehouse was not built: a full\_disk; \`imagelake publish\` does" in said


def test_a_state_is_a_sentence() -> None:
    """The first few targets that were not read whole by name, and why."""
    assert sentence(COMPLETE) == sentence(COMPLETE, NOTHING) == "1 target, 250 builds"
    unbuilt = replace(COMPLETE, warehouse_problem="the disk is\x1b full")
    assert sentence(unbuilt).startswith("the warehouse was not built: the disk is")
    assert sentence(unbuilt).endswith(" full; 1 target, 250 builds")
    assert "\x1b" not in sentence(unbuilt)
    assert sentence(COMPLETE, MUCH) == "1 target, 250 builds, 1,037 changed"
    assert sentence(PARTIAL, MUCH) == (
        "2 of 3 targets not read whole: 111122223333/eu-west-1 failed (AccessDeniedException), "
        "111122223333/us-west-2 truncated (MaxItems); 357 builds, 1,037 changed"
    )
    many = replace(PARTIAL, targets=TARGETS[1:2] * 40)
    assert sentence(many).startswith("40 of 40 targets not read whole: 111122223333/us-west-2 ")
    assert sentence(many).endswith("(MaxItems), 37 more; 357 builds")


def test_the_table_has_every_target_the_worst_first() -> None:
    failed, truncated, complete, kept = target_rows(PARTIAL)
    assert truncated == {
        "target": "111122223333/us-west-2",
        "status": "truncated",
        "shows": "part",
        "builds": 100,
        "pages": 1,
        "requests": 1,
        "throttles": 0,
        "seconds": 2.5,
        "carried_from": None,
        "error_code": "MaxItems",
        "error_message": "stopped after 100 builds",
    }
    assert [row["status"] for row in (failed, complete, kept)] == ["failed", "complete", "kept"]
    assert kept["carried_from"] == "20251120T010000000000Z-00000001"


def test_the_table_of_very_many_targets_is_cut() -> None:
    """Not those that were not read."""
    run = replace(PARTIAL, targets=TARGETS[:1] * 1_500 + TARGETS[1:])
    rows = target_rows(run)
    assert len(rows) == 1_001
    assert [row["status"] for row in rows[:3]] == ["failed", "truncated", "complete"]
    assert rows[-1] == {"target": "and 503 more: imagelake status"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HOSTILE, SHOWN),
        ("a\nb\r\n# c", r"a b \# c"),
        ("back\\slash & ~~x~~ $y$", r"back\\slash \& \~\~x\~\~ \$y\$"),
        ("me@evil.example", r"me\@evil.example"),
        ("\x1b[31mred\u202e", r"\\x1b\[31mred\\u202e"),
        ("x" * 501, "x" * 499 + "…"),
    ],
    ids=["markup", "lines", "signs", "mail", "controls", "long"],
)
def test_text_from_outside_shows_to_the_letter(text: str, shown: str) -> None:
    """It makes no markup, no link, no row or cell, and moves no cursor."""
    assert escaped(text) == shown


@pytest.mark.parametrize(
    ("lake", "region", "environment", "link"),
    [
        (
            "/srv/my (lake)",
            "eu-west-1",
            {},
            Link(
                "file:///srv/my%20%28lake%29",
                "lake /srv/my (lake)",
                r"the lake's folder on host\_1: a browser opens it there only",
            ),
        ),
        (
            "s3://bucket/a b/lake",
            "eu-west-1",
            {},
            Link(
                "https://console.aws.amazon.com/s3/buckets/bucket?prefix=a%20b/lake/",
                r"lake s3\://bucket/a b/lake",
                "the lake in the S3 console",
            ),
        ),
        (
            "s3://bucket",
            "us-gov-west-1",
            {},
            Link(
                "https://console.amazonaws-us-gov.com/s3/buckets/bucket?prefix=",
                r"lake s3\://bucket",
                "the lake in the S3 console",
            ),
        ),
        (
            "s3://bucket/lake",
            "eu-west-1",
            {"AWS_ENDPOINT_URL_S3": "http://minio:9000"},
            Link(
                "s3://bucket/lake",
                r"lake s3\://bucket/lake",
                "the lake, for `aws s3 ls` and the like",
            ),
        ),
    ],
    ids=["folder", "bucket", "another partition", "another service"],
)
def test_a_link_leads_to_the_lake(
    lake: str, region: str, environment: dict[str, str], link: Link
) -> None:
    assert lake_link(lake, "host_1", region, environment) == link


def test_a_link_leads_to_the_report_where_there_is_one(tmp_path: Path) -> None:
    warehouse = tmp_path / "imagelake.duckdb"
    assert report_link(warehouse, "host") is None
    report = tmp_path / "imagelake-report.html"
    report.write_text("<p>")
    link = report_link(warehouse, "host")
    assert link is not None
    assert link.url == report.as_uri()
    assert link.description.endswith(", on host: a browser opens it there only")
