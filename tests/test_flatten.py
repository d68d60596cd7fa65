"""Landed pages become tables: one row a build, and the same ones at every replay."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from extract import flatten as flatten_module
from extract.emulator import Emulator
from extract.flatten import flatten
from extract.landing import LandingWriter, landed_pages
from extract.request import Request
from extract.targets import Target
from schemas.tables import DATA_TABLES
from tests.flattened import TIME, builds, landed, rows_of, tables_of, told
from tests.listing import ACCOUNT, REGION, listing, tell

# One row a build


def test_the_last_seen_of_a_build_is_kept(tmp_path: Path) -> None:
    """Twice on a page, and again two pages on: the list moved while it was read."""
    rows = told(tmp_path, "same_build_on_two_pages.json")["image_builds"]
    states = [(row["image_slug"], row["version_minor"], row["state_status"]) for row in rows]
    assert states == [
        ("web", 1, "FAILED"),
        ("web", 4, "AVAILABLE"),
        ("web", 3, "AVAILABLE"),
        ("web", 2, "AVAILABLE"),
    ]
    assert rows[0]["captured_at"] == TIME + timedelta(seconds=2)


def test_the_service_repeats_itself_and_no_build_is_twice(
    emulator: Emulator, tmp_path: Path
) -> None:
    """Over HTTP: each page begins with the last build of the one before, in another state."""
    emulator.set_faults(f"{ACCOUNT}/{REGION}", {"repeat_last": True})
    with LandingWriter(tmp_path) as writer:
        asked = listing(writer.land, Request(page_size=10))
        while asked.step() is not None:
            pass
    sent = [json.loads(page.read_body()) for page in landed_pages(tmp_path)]
    last = {item["arn"]: item for page in sent for item in page["imageSummaryList"]}
    rows = rows_of(tmp_path)["image_builds"]
    assert len(rows) == len(last) < asked.outcome.builds_listed
    states = {row["arn"]: row["state_status"] for row in rows}
    assert states == {arn: item["state"]["status"] for arn, item in last.items()}


def test_the_children_of_a_build_that_came_twice_are_those_of_its_last(tmp_path: Path) -> None:
    def page(*images: str) -> dict[str, Any]:
        amis = [{"image": image} for image in images]
        return {"imageSummaryList": [{"arn": "a", "outputResources": {"amis": amis}}]}

    landed(tmp_path, [page("ami-1", "ami-2"), page("ami-3")])
    assert [row["ami_id"] for row in rows_of(tmp_path)["image_amis"]] == ["ami-3"]


def test_one_arn_in_two_targets_is_two_builds(tmp_path: Path) -> None:
    landed(tmp_path, [builds("a")], region="eu-west-1")
    landed(tmp_path, [builds("a")], region="us-west-2")
    landed(tmp_path, [builds("a")], account_id="222233334444", region="eu-west-1")
    rows = rows_of(tmp_path)["image_builds"]
    assert sorted((row["account_id"], row["region"]) for row in rows) == [
        (ACCOUNT, "eu-west-1"),
        (ACCOUNT, "us-west-2"),
        ("222233334444", "eu-west-1"),
    ]


def test_builds_without_arn_are_all_kept(tmp_path: Path) -> None:
    page = {"imageSummaryList": [{"name": "x"}, {"name": "x"}, {"arn": "a"}, {"arn": "a"}]}
    landed(tmp_path, [page, page])
    arns = [row["arn"] for row in rows_of(tmp_path)["image_builds"]]
    assert arns == [None, None, "a", None, None]


def test_of_two_attempts_the_last_counts(tmp_path: Path) -> None:
    """A listing that started over is read again from its first page; what it left is ignored."""
    landed(tmp_path, [builds("gone", "a", state="BUILDING")])
    landed(tmp_path, [builds("a"), builds("b")], attempt=2)
    rows = rows_of(tmp_path)["image_builds"]
    assert [(row["arn"], row["state_status"]) for row in rows] == [
        ("b", "AVAILABLE"),
        ("a", "AVAILABLE"),
    ]


def test_only_the_items_that_count_have_rows(tmp_path: Path) -> None:
    """MaxItems and a starting token cut inside a page."""
    landed(tmp_path, [builds("a", "b", "c", "d")], first_item=1, item_count=2)
    assert [row["arn"] for row in rows_of(tmp_path)["image_builds"]] == ["b", "c"]


def test_items_beyond_the_pages_last_are_none(tmp_path: Path) -> None:
    landed(tmp_path, [builds("a", "b")], first_item=5, item_count=2)
    assert rows_of(tmp_path)["image_builds"] == []


def test_pages_of_images_have_no_rows(tmp_path: Path) -> None:
    landed(tmp_path, [{"imageVersionList": [{"arn": "a"}]}], operation="ListImages", item_count=1)
    landed(tmp_path, [builds("a/1")], ownership="Amazon")
    rows = rows_of(tmp_path)["image_builds"]
    assert [(row["arn"], row["ownership"]) for row in rows] == [("a/1", "Amazon")]


# A pure function


def test_a_replay_gives_the_same_tables(emulator: Emulator, tmp_path: Path) -> None:
    """From the same pages, byte for byte, whatever the time and the process."""
    emulator.set_faults("*", {"unknown_members": True, "repeat_last": True})
    with LandingWriter(tmp_path) as writer:
        asked = listing(writer.land, Request(page_size=20))
        while asked.step() is not None:
            pass
    once, again = tables_of(tmp_path), tables_of(tmp_path)
    assert once.keys() == again.keys()
    assert all(once[name].equals(again[name], check_metadata=True) for name in once)
    assert all(once[name].num_rows for name in once)


def test_batches_change_no_row(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many small batches hold what one holds, a build that comes in two of them once."""
    tell(emulator, "same_build_on_two_pages.json")
    with LandingWriter(tmp_path) as writer:
        for region in (REGION, "us-west-2"):
            emulator.set_faults(f"{ACCOUNT}/{region}", {"repeat_last": True})
            asked = listing(writer.land, Request(page_size=20), Target(ACCOUNT, region))
            while asked.step() is not None:
                pass
    in_one = rows_of(tmp_path)
    monkeypatch.setattr(flatten_module, "BATCH_BYTES", 1)
    assert len(list(flatten(landed_pages(tmp_path)))) > 5
    in_many = rows_of(tmp_path)
    in_one["image_region_failures"].sort(key=str)  # a batch has its builds' before its AMIs'
    in_many["image_region_failures"].sort(key=str)
    assert in_many == in_one


def test_the_order_in_which_targets_landed_changes_no_row(tmp_path: Path) -> None:
    """Pages of many targets land interleaved, as their answers arrive."""
    interleaved, in_order = tmp_path / "interleaved", tmp_path / "in_order"
    for directory, regions in ((interleaved, "ababab"), (in_order, "aaabbb")):
        numbers = dict.fromkeys("ab", 0)
        for region in regions:
            numbers[region] += 1
            names = [f"{region}{numbers[region]}", f"{region}-again"]
            landed(directory, [builds(*names)], region=region)

    def untimed(directory: Path) -> list[dict[str, Any]]:
        return [row | {"captured_at": None} for row in rows_of(directory)["image_builds"]]

    assert untimed(interleaved) == untimed(in_order)
    assert len(untimed(in_order)) == 8


def test_no_pages_are_no_rows(tmp_path: Path) -> None:
    landed(tmp_path, [{"imageSummaryList": []}, {}])
    assert rows_of(tmp_path) == {table.name: [] for table in DATA_TABLES}


def test_the_tables_are_as_declared(tmp_path: Path) -> None:
    """Types, order and the descriptions in the fields' metadata."""
    landed(tmp_path, [builds("a")])
    (batch,) = flatten(landed_pages(tmp_path))
    for table in DATA_TABLES:
        assert batch[table.name].schema.equals(table.arrow_schema, check_metadata=True)
