"""An interrupted listing goes on after its last page."""

from pathlib import Path

import pytest

from extract.emulator import Emulator
from extract.landing import LandingWriter, Page, landed_pages
from extract.request import Request
from tests.listing import (
    TARGET,
    listing,
    run,
)


@pytest.mark.parametrize("landed_pages_count", [0, 1, 2, 4, 6])
@pytest.mark.parametrize("max_items", [None, 45, 50, 116, 117])
def test_an_interrupted_listing_goes_on_after_its_last_page(
    emulator: Emulator, tmp_path: Path, max_items: int | None, landed_pages_count: int
) -> None:
    """What a killed run had landed is not asked for again, and the whole is as if it had not been."""
    request = Request(page_size=20, max_items=max_items)
    whole = run(page_size=20, max_items=max_items)
    emulator.clear_requests()
    with LandingWriter(tmp_path) as writer:
        killed = listing(writer.land, request)
        for _ in range(landed_pages_count):
            killed.step()
    killed.close()
    before = landed_pages(tmp_path)
    with LandingWriter(tmp_path) as writer:
        second = listing(writer.land, request)
        second.go_on(before)
        while second.step() is not None:
            pass
    second.close()
    landed = [page for page in landed_pages(tmp_path) if page.item_count]
    counted = [(page.number, page.first_item, page.item_count) for page in landed]
    assert counted == [(p.number, p.first_item, p.item_count) for p in whole.pages if p.item_count]
    assert second.outcome.resume_token == whole.outcome.resume_token
    assert second.outcome.status == whole.outcome.status
    assert second.outcome.builds_listed == whole.outcome.builds_listed


def test_an_interrupted_listing_of_others_images_goes_on(
    emulator: Emulator, tmp_path: Path
) -> None:
    """The images that ListImages had named are read off its landed page."""
    whole = run(owners=("Self", "Amazon"), page_size=50)
    request = Request(owners=("Self", "Amazon"), page_size=50)
    with LandingWriter(tmp_path) as writer:
        killed = listing(writer.land, request)
        for _ in range(9):
            killed.step()
    killed.close()
    emulator.clear_requests()
    rest: list[Page] = []
    second = listing(rest.append, request)
    second.go_on(landed_pages(tmp_path))
    while second.step() is not None:
        pass
    second.close()
    assert [page.body for page in rest] == [page.body for page in whole.pages[9:]]
    assert len(emulator.requests()) == len(whole.pages) - 9


def test_a_page_of_images_that_is_none_is_not_an_empty_one(emulator: Emulator) -> None:
    """botocore takes a proxy's HTML for a list without images; here it is asked for again."""
    emulator.set_faults(TARGET, {"errors": ["html_200", "truncate"]})
    listed = run(owners=("Amazon",))
    assert listed.ending == ("complete", None)
    assert len(listed.arns) > 3
    emulator.set_faults(TARGET, {"always": "html_200"})
    listed = run(owners=("Amazon",))
    assert (listed.ending, listed.pages) == (("failed", "MalformedAnswer"), [])
    assert "the answer's body is not a page of images" in str(listed.outcome.error_message)
