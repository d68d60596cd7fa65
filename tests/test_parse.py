"""Parsed columns: what is parsed of instants, ARNs, image URIs and epoch seconds, and what is not."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest

from extract.parse import (
    PARSERS,
    are_instants,
    epoch_seconds,
    is_instant,
    parse_image_uri,
    parse_instant,
)

DIGEST = "sha256:" + "0123456789abcdef" * 4
ECR = "123456789012.dkr.ecr.us-west-2.amazonaws.com"


def texts(*values: str | None) -> pa.StringArray:
    return pa.array(values, pa.string())


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]  # as many parts as are given


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2020-02-14T21:29:18.810Z", utc(2020, 2, 14, 21, 29, 18, 810_000)),
        ("2020-02-14T21:29:18Z", utc(2020, 2, 14, 21, 29, 18)),
        ("2020-02-14T21:29Z", utc(2020, 2, 14, 21, 29)),
        ("2020-02-14T21:29:18.8Z", utc(2020, 2, 14, 21, 29, 18, 800_000)),
        ("2020-02-14T21:29:18.81Z", utc(2020, 2, 14, 21, 29, 18, 810_000)),
        ("2020-02-14T21:29:18.8101Z", utc(2020, 2, 14, 21, 29, 18, 810_100)),
        ("2020-02-14T21:29:18.810123Z", utc(2020, 2, 14, 21, 29, 18, 810_123)),
        ("2020-02-14T21:29:18.810123999Z", utc(2020, 2, 14, 21, 29, 18, 810_123)),
        ("2020-02-14T21:29:18.810", utc(2020, 2, 14, 21, 29, 18, 810_000)),
        ("2020-02-14T21:29:18+00:00", utc(2020, 2, 14, 21, 29, 18)),
        ("2020-02-14T21:29:18+05:30", utc(2020, 2, 14, 15, 59, 18)),
        ("2020-02-14T21:29:18-0800", utc(2020, 2, 15, 5, 29, 18)),
        ("2020-02-29T00:00:00Z", utc(2020, 2, 29)),
        ("0001-01-01T00:00:00Z", utc(1, 1, 1)),
        ("9999-12-31T23:59:59.999999Z", utc(9999, 12, 31, 23, 59, 59, 999_999)),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("2020-02-14", None),
        ("2020-02-30T00:00:00Z", None),
        ("2019-02-29T00:00:00Z", None),
        ("2020-02-14T25:00:00Z", None),
        ("2020-02-14T21:29:60Z", None),
        ("2020-02-14 21:29:18Z", None),
        ("2020-02-14T21:29:18Z ", None),
        ("2020-02-14T21:29:18Z\n", None),
        ("2020-02-14T21:29:18,810Z", None),
        ("2020-02-14T21:29:18.Z", None),
        ("2020-02-14T21:29:18+25:00", None),
        ("20200214T212918Z", None),
        ("1581715758", None),
        ("\u0662\u0660\u0662\u0660-02-14T21:29:18Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59-01:00", None),
    ],
)
def test_an_instant_is_parsed_or_null(text: str | None, instant: datetime | None) -> None:
    """ISO 8601 with any length of fraction, UTC where it names no zone; all else is NULL."""
    assert parse_instant(text) == instant


def test_an_instant_is_in_utc_whatever_its_zone() -> None:
    instant = parse_instant("2020-02-14T21:29:18+05:30")
    assert instant is not None
    assert instant.tzinfo is UTC
    assert instant == datetime(2020, 2, 14, 21, 29, 18, tzinfo=timezone(timedelta(hours=5.5)))


def test_created_at_is_parsed_of_a_column_of_texts() -> None:
    columns = PARSERS["instant"](texts("2020-02-14T21:29:18.810Z", None, "soon"))
    values = {name: column.to_pylist() for name, column in columns.items()}
    assert values == {"created_at": [utc(2020, 2, 14, 21, 29, 18, 810_000), None, None]}


ARN_COLUMNS = (
    "image_owner_account",
    "image_region",
    "image_slug",
    "semantic_version",
    "version_major",
    "version_minor",
    "version_patch",
    "build_number",
)
ARNS: list[tuple[str | None, tuple[Any, ...]]] = [
    (
        "arn:aws:imagebuilder:us-west-2:123456789012:image/mybasicrecipe/2019.12.03/7",
        ("123456789012", "us-west-2", "mybasicrecipe", "2019.12.03", 2019, 12, 3, 7),
    ),
    (
        "arn:aws:imagebuilder:eu-west-1:123456789012:image/web-server/1.10.0/12",
        ("123456789012", "eu-west-1", "web-server", "1.10.0", 1, 10, 0, 12),
    ),
    (
        "arn:aws:imagebuilder:us-east-1:aws:image/amazon-linux-2023-x86/2024.8.1/1",
        ("aws", "us-east-1", "amazon-linux-2023-x86", "2024.8.1", 2024, 8, 1, 1),
    ),
    (
        "arn:aws:imagebuilder:us-east-1:aws-marketplace:image/some-product/3.0.1/1",
        ("aws-marketplace", "us-east-1", "some-product", "3.0.1", 3, 0, 1, 1),
    ),
    (
        "arn:aws:imagebuilder:us-east-1:third-party:image/cis_level_1/1.0.0/2",
        ("third-party", "us-east-1", "cis_level_1", "1.0.0", 1, 0, 0, 2),
    ),
    (
        "arn:aws-cn:imagebuilder:cn-north-1:123456789012:image/a/1.0.0/1",
        ("123456789012", "cn-north-1", "a", "1.0.0", 1, 0, 0, 1),
    ),
    (
        "arn:aws-us-gov:imagebuilder:us-gov-west-1:123456789012:image/a/1.0.0/1",
        ("123456789012", "us-gov-west-1", "a", "1.0.0", 1, 0, 0, 1),
    ),
    (
        "arn:aws:imagebuilder:us-west-2:123456789012:image/no-build/1.2.3",
        ("123456789012", "us-west-2", "no-build", "1.2.3", 1, 2, 3, None),
    ),
    (
        "arn:aws:imagebuilder:us-west-2:123456789012:image/no-version",
        ("123456789012", "us-west-2", "no-version", None, None, None, None, None),
    ),
    (
        "arn:aws:imagebuilder:us-west-2:123456789012:image/wildcard/x.x.x",
        ("123456789012", "us-west-2", "wildcard", "x.x.x", None, None, None, None),
    ),
    (
        "arn:aws:imagebuilder:us-west-2:123456789012:image/short/4.2/1",
        ("123456789012", "us-west-2", "short", "4.2", 4, 2, None, 1),
    ),
    (
        "arn:aws:imagebuilder:us-west-2:123456789012:image/one/4/x",
        ("123456789012", "us-west-2", "one", "4", 4, None, None, None),
    ),
    (
        "arn:aws:imagebuilder:us-west-2:123456789012:image/four/1.2.3.4/1",
        ("123456789012", "us-west-2", "four", "1.2.3.4", None, None, None, 1),
    ),
    (
        "arn:aws:imagebuilder:us-west-2:123456789012:image/leading/007.08.09/0010",
        ("123456789012", "us-west-2", "leading", "007.08.09", 7, 8, 9, 10),
    ),
    (
        f"arn:aws:imagebuilder:us-west-2:123456789012:image/most/{2**63 - 1}.1.1/{2**63 - 1}",
        ("123456789012", "us-west-2", "most", f"{2**63 - 1}.1.1", 2**63 - 1, 1, 1, 2**63 - 1),
    ),
    (
        f"arn:aws:imagebuilder:us-west-2:123456789012:image/more/{2**63}.1.1/{2**63}",
        ("123456789012", "us-west-2", "more", f"{2**63}.1.1", None, 1, 1, None),
    ),
    (
        f"arn:aws:imagebuilder:us-west-2:123456789012:image/huge/1.{'9' * 30}.1/{'9' * 5000}",
        ("123456789012", "us-west-2", "huge", f"1.{'9' * 30}.1", 1, None, 1, None),
    ),
    (
        f"arn:aws:imagebuilder:us-west-2:123456789012:image/zeros/{'0' * 40}1.0.0/1",
        ("123456789012", "us-west-2", "zeros", f"{'0' * 40}1.0.0", 1, 0, 0, 1),
    ),
    (
        "arn:aws:imagebuilder:us-west-2:123456789012:image/signs/-1.+2.3/-1",
        ("123456789012", "us-west-2", "signs", "-1.+2.3", None, None, None, None),
    ),
    (
        "arn:aws:imagebuilder:us-west-2:123456789012:image/digits/\u0661.\u0662.\u0663/\u0661",
        ("123456789012", "us-west-2", "digits", "\u0661.\u0662.\u0663", None, None, None, None),
    ),
    (
        "arn:aws:imagebuilder:::image/bare/1.0.0/1",
        (None, None, "bare", "1.0.0", 1, 0, 0, 1),
    ),
    ("arn:aws:imagebuilder:us-west-2:123456789012:image/a/1.0.0/1/more", (None,) * 8),
    ("arn:aws:imagebuilder:us-west-2:123456789012:component/a/1.0.0/1", (None,) * 8),
    ("arn:aws:ec2:us-west-2:123456789012:image/ami-1", (None,) * 8),
    ("arn:aws:imagebuilder:us-west-2:123456789012:image/", (None,) * 8),
    ("not an ARN", (None,) * 8),
    ("", (None,) * 8),
    (None, (None,) * 8),
]


@pytest.mark.parametrize(("arn", "parts"), ARNS)
def test_an_arn_is_taken_apart(arn: str | None, parts: tuple[Any, ...]) -> None:
    """What an ARN does not carry, and numbers beyond 64 bits, are NULL."""
    columns = PARSERS["image_arn"](texts(arn))
    values = {name: columns[name].to_pylist()[0] for name in ARN_COLUMNS}
    assert values == dict(zip(ARN_COLUMNS, parts, strict=True))
    assert set(columns) == set(ARN_COLUMNS)


def test_a_column_of_arns_is_taken_apart_row_by_row() -> None:
    """One odd ARN changes nothing in the rows beside it."""
    columns = PARSERS["image_arn"](texts(*(arn for arn, _ in ARNS)))
    rows = list(zip(*(columns[name].to_pylist() for name in ARN_COLUMNS), strict=True))
    assert rows == [parts for _, parts in ARNS]


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        (f"{ECR}/web/app:1.4.0-3", (ECR, "web/app", "1.4.0-3", None)),
        (f"{ECR}/app:latest", (ECR, "app", "latest", None)),
        (f"{ECR}/app@{DIGEST}", (ECR, "app", None, DIGEST)),
        (f"{ECR}/app:1.0@{DIGEST}", (ECR, "app", "1.0", DIGEST)),
        (f"{ECR}/app", (ECR, "app", None, None)),
        ("localhost:5000/app:1", ("localhost:5000", "app", "1", None)),
        ("localhost/app", ("localhost", "app", None, None)),
        ("registry:443/a/b/c", ("registry:443", "a/b/c", None, None)),
        ("library/ubuntu:24.04", (None, "library/ubuntu", "24.04", None)),
        ("ubuntu", (None, "ubuntu", None, None)),
        ("ubuntu:24.04", (None, "ubuntu", "24.04", None)),
        (f"ubuntu@{DIGEST}", (None, "ubuntu", None, DIGEST)),
        ("app:", (None, "app", None, None)),
        ("app@", (None, "app", None, None)),
        (":tag", (None, None, "tag", None)),
        ("", (None, None, None, None)),
        (None, (None, None, None, None)),
    ],
)
def test_an_image_uri_is_taken_apart(uri: str | None, parts: tuple[str | None, ...]) -> None:
    """Registry, repository, tag and digest; a first part with a dot or a port is the registry."""
    assert parse_image_uri(uri) == parts


def test_a_column_of_image_uris_is_taken_apart() -> None:
    columns = PARSERS["image_uri"](texts(f"{ECR}/app:1", None))
    assert {name: column.to_pylist() for name, column in columns.items()} == {
        "registry": [ECR, None],
        "repository": ["app", None],
        "tag": ["1", None],
        "digest": [None, None],
    }


@pytest.mark.parametrize(
    ("seconds", "instant", "is_exact"),
    [
        (0, utc(1970, 1, 1), True),
        (1_735_689_600, utc(2025, 1, 1), True),
        (1_735_689_600.0, utc(2025, 1, 1), True),
        (1_735_689_600.25, utc(2025, 1, 1, 0, 0, 0, 250_000), True),
        (1_735_689_600.123456, utc(2025, 1, 1, 0, 0, 0, 123_456), True),
        (1_735_689_600.1234567, utc(2025, 1, 1, 0, 0, 0, 123_457), False),
        (-1.5, utc(1969, 12, 31, 23, 59, 58, 500_000), True),
        (1_735_689_600_000, None, False),
        (-(10**12), None, False),
        (1e29, None, False),
        (1e308, None, False),
        (None, None, True),
    ],
)
def test_epoch_seconds_become_an_instant(
    seconds: float | None, instant: datetime | None, is_exact: bool
) -> None:
    """Of a column and of one value alike it is told whether an instant holds it exactly."""
    column = pa.array([None, seconds], pa.float64())
    assert epoch_seconds(column).to_pylist() == [None, instant]
    assert are_instants(column) == is_instant(seconds) == is_exact
