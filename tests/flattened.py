"""Landed pages and the rows that come of them, of the listings' own target."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from extract.flatten import flatten
from extract.landing import LandingWriter, Page, landed_pages
from schemas.tables import DATA_TABLES, TABLES
from tests.listing import ACCOUNT, REGION, STORIES
from tests.reassemble import with_tags_as_dict

TIME = datetime(2025, 11, 20, 12, tzinfo=UTC)
PROVENANCE = {"account_id": ACCOUNT, "region": REGION, "captured_at": TIME}

Rows = dict[str, list[dict[str, Any]]]


def landed(directory: Path, bodies: Sequence[object], **more: Any) -> None:
    """Lands each value as a page of the target, a second apart; numbers go on from the last."""
    before = len(landed_pages(directory))
    with LandingWriter(directory) as writer:
        for number, body in enumerate(bodies, before + 1):
            items = body.get("imageSummaryList") if isinstance(body, dict) else None
            given: dict[str, Any] = {
                "account_id": ACCOUNT,
                "region": REGION,
                "operation": "ListImageBuildVersions",
                "ownership": "Self",
                "attempt": 1,
                "first_item": 0,
                "item_count": len(items or ()),
            }
            writer.land(
                Page(
                    **(given | more),
                    number=number,
                    token=None,
                    next_token=None,
                    request_id=None,
                    arrived_at=TIME + timedelta(seconds=number - 1),
                    body=json.dumps(body).encode(),
                )
            )


def tables_of(directory: Path) -> dict[str, pa.Table]:
    """All batches of the landing's tables, each as one."""
    batches = list(flatten(landed_pages(directory)))
    return {
        table.name: pa.concat_tables(
            [table.arrow_schema.empty_table(), *(batch[table.name] for batch in batches)]
        )
        for table in DATA_TABLES
    }


def rows_of(directory: Path) -> Rows:
    return {
        name: [with_tags_as_dict(row) for row in table.to_pylist()]
        for name, table in tables_of(directory).items()
    }


def told(directory: Path, story: str, **more: Any) -> Rows:
    """The rows of a story's pages."""
    landed(directory, json.loads((STORIES / story).read_bytes()), **more)
    return rows_of(directory)


def row(table: str, **values: Any) -> dict[str, Any]:
    """A whole row: the columns that are not named are NULL."""
    columns = dict.fromkeys(TABLES[table].arrow_schema.names)
    assert values.keys() <= columns.keys()
    return columns | PROVENANCE | values


def builds(*names: str, state: str = "AVAILABLE") -> dict[str, Any]:
    return {"imageSummaryList": [{"arn": name, "state": {"status": state}} for name in names]}
