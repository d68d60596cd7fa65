"""Rows of the lake's tables, written by hand: builds, AMIs, container URIs, targets; and of answers.

A target is its account and region; a build is named `slug/version/number`, from which its ARN and the
columns that the ARN tells follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import duckdb

Target = tuple[str, str]
Row = Mapping[str, Any]


def noon(day: date, minutes: int = 0) -> datetime:
    """Noon of a UTC day, when its captures are taken, and so many minutes later."""
    return datetime(day.year, day.month, day.day, 12, minutes, tzinfo=UTC)


def arn_of(target: Target, image: str) -> str:
    """The ARN of `web/1.0.0/1`."""
    return f"arn:aws:imagebuilder:{target[1]}:{target[0]}:image/{image}"


def build(target: Target, day: date, image: str, status: str | None, **more: Any) -> Row:
    """A build by `slug/version/number`, as the API and its ARN tell it."""
    slug, version, number = image.split("/")
    major, minor, patch = map(int, version.split("."))
    return {
        "account_id": target[0],
        "region": target[1],
        "captured_at": noon(day),
        "arn": arn_of(target, image),
        "name": slug.upper(),
        "type": "AMI",
        "version": f"{version}/{number}",
        "platform": "Linux",
        "state_status": status,
        "ownership": "Self",
        "image_owner_account": target[0],
        "image_region": target[1],
        "image_slug": slug,
        "semantic_version": version,
        "version_major": major,
        "version_minor": minor,
        "version_patch": patch,
        "build_number": int(number),
        **more,
    }


def of_build(target: Target, day: date, image: str, **columns: Any) -> Row:
    """A row that hangs on a build."""
    provenance = {"account_id": target[0], "region": target[1], "captured_at": noon(day)}
    return {**provenance, "image_arn": arn_of(target, image), **columns}


def ami(
    target: Target,
    day: date,
    image: str,
    position: int,
    region: str | None,
    status: str | None,
) -> Row:
    """An AMI whose id tells its image, version, build and region."""
    return of_build(
        target,
        day,
        image,
        position=position,
        ami_region=region,
        ami_id=f"ami-{image}-{region}",
        ami_account_id=target[0],
        state_status=status,
    )


def container_uri(
    target: Target,
    day: date,
    image: str,
    number: int,
    repository: str,
    tag: str | None = None,
    digest: str | None = None,
) -> Row:
    """A URI of a build's one container, in the registry of the target, by tag or by digest."""
    registry = f"{target[0]}.dkr.ecr.{target[1]}.amazonaws.com"
    return of_build(
        target,
        day,
        image,
        position=0,
        container_region=target[1],
        uri_position=number,
        image_uri=f"{registry}/{repository}" + (f":{tag}" if tag else f"@{digest}"),
        registry=registry,
        repository=repository,
        tag=tag,
        digest=digest,
    )


def covered(target: Target, day: date, status: str, coverage: str, builds: int = 0) -> Row:
    """A target's row of `snapshot_targets`."""
    return {
        "account_id": target[0],
        "region": target[1],
        "captured_at": noon(day) if coverage != "none" else None,
        "status": status,
        "coverage": coverage,
        "error_message": "denied" if status == "failed" else None,
        "builds": builds,
        "request": "{}",
    }


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """The answer's rows."""
    return connection.execute(query).fetchall()


def dicts(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """The answer's rows by column name."""
    answer = connection.execute(query)
    names = [column[0] for column in answer.description or []]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def filled(row: Row) -> dict[str, Any]:
    """The row without what is NULL; tags are one, whatever their order."""
    return {
        name: dict(value) if name == "tags" else value
        for name, value in row.items()
        if value is not None
    }
