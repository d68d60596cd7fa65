"""A landing keeps each page's bytes and what is known of its call, whatever happens to the writer."""

import json
import resource
import secrets
import signal
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from extract import landing
from extract.landing import LandedPage, LandingWriter, Page, held, landed_pages

PAGE = Page(
    account_id="123456789012",
    region="eu-west-1",
    operation="ListImageBuildVersions",
    ownership="Self",
    attempt=2,
    number=7,
    token="token-6",  # noqa: S106 - a page's token
    next_token="token-7",  # noqa: S106 - a page's token
    first_item=3,
    item_count=22,
    request_id="a1b2c3d4-5678-90ab-cdef-EXAMPLE11111",
    arrived_at=datetime(2025, 11, 20, 12, 30, 15, 123456, tzinfo=UTC),
    body=b'{"imageSummaryList": [ {"arn":"a","name":"\\u0000 \xf0\x9f\x92\xbf"} ] }\n',
)


def page(number: int, body: bytes | None = None) -> Page:
    text = json.dumps({"imageSummaryList": [{"arn": f"arn-{number}-{n}"} for n in range(number)]})
    return replace(PAGE, number=number, body=text.encode() if body is None else body)


def restored(landed: LandedPage) -> Page:
    """The page that was landed, all fields of it."""
    fields = landed._asdict()
    assert fields.pop("body_bytes") == len(landed.read_body())
    del fields["file"], fields["frame_start"], fields["frame_bytes"]
    return Page(**fields, body=landed.read_body())


def land(directory: Path, *pages: Page) -> None:
    with LandingWriter(directory) as writer:
        for each in pages:
            writer.land(each)


def test_every_field_and_every_byte_of_a_page_come_back(tmp_path: Path) -> None:
    land(tmp_path, PAGE)
    assert [restored(each) for each in landed_pages(tmp_path)] == [PAGE]


def test_absent_tokens_and_request_ids_come_back_as_absent(tmp_path: Path) -> None:
    only = replace(PAGE, token=None, next_token=None, request_id=None)
    land(tmp_path, only)
    assert [restored(each) for each in landed_pages(tmp_path)] == [only]


@pytest.mark.parametrize("body", [b"", b"\x00", b"\xff\xfe not JSON", bytes(range(256)) * 4096])
def test_a_body_may_be_any_bytes(tmp_path: Path, body: bytes) -> None:
    land(tmp_path, page(1, body))
    assert [each.read_body() for each in landed_pages(tmp_path)] == [body]


def test_pages_come_back_in_the_order_in_which_they_landed(tmp_path: Path) -> None:
    pages = [page(number) for number in (3, 1, 2)]
    land(tmp_path, *pages)
    assert [restored(each) for each in landed_pages(tmp_path)] == pages


def test_a_landing_without_pages_is_empty(tmp_path: Path) -> None:
    land(tmp_path)
    assert landed_pages(tmp_path) == []
    assert landed_pages(tmp_path / "nowhere") == []


@pytest.mark.slow
def test_a_file_cut_at_any_byte_is_read_up_to_its_last_whole_page(tmp_path: Path) -> None:
    """What a killed process leaves: every page before the cut, and no error."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    pages, ends = [page(number) for number in range(1, 4)], []
    writer = LandingWriter(whole)
    file = whole / "pages-00000.arrows"
    for each in pages:
        writer.land(each)
        ends.append(file.stat().st_size)  # what `land` has written when it returns
    writer.close()
    content = file.read_bytes()
    cut.mkdir()
    for size in range(len(content) + 1):
        (cut / file.name).write_bytes(content[:size])
        landed = landed_pages(cut)
        assert len(landed) == sum(end <= size for end in ends), f"cut at {size}"
        if size in ends:
            assert [restored(each) for each in landed] == pages[: len(landed)]


def test_a_page_can_be_read_while_its_file_is_being_written(tmp_path: Path) -> None:
    """Nothing waits in a buffer: a process killed after `land` loses no page."""
    with LandingWriter(tmp_path) as writer:
        for count in (1, 2, 3):
            writer.land(page(count))
            assert len(landed_pages(tmp_path)) == count


def test_a_landing_that_is_gone_on_with_gets_new_files(tmp_path: Path) -> None:
    land(tmp_path, page(1), page(2))
    before = (tmp_path / "pages-00000.arrows").read_bytes()
    land(tmp_path, page(3))
    assert (tmp_path / "pages-00000.arrows").read_bytes() == before
    assert sorted(path.name for path in tmp_path.glob("pages-*")) == [
        "pages-00000.arrows",
        "pages-00001.arrows",
    ]
    assert [each.number for each in landed_pages(tmp_path)] == [1, 2, 3]


def test_a_torn_file_does_not_hide_the_pages_of_the_next_one(tmp_path: Path) -> None:
    land(tmp_path, page(1), page(2))
    torn = tmp_path / "pages-00000.arrows"
    torn.write_bytes(torn.read_bytes()[:-100])
    land(tmp_path, page(3))
    assert [each.number for each in landed_pages(tmp_path)] == [1, 3]


def test_a_full_file_is_followed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "ROLLOVER_BYTES", 4096)
    pages = [page(number) for number in range(1, 21)]
    land(tmp_path, *pages)
    assert len(list(tmp_path.glob("pages-*"))) > 2
    assert [restored(each) for each in landed_pages(tmp_path)] == pages


def test_threads_may_share_a_writer(tmp_path: Path) -> None:
    """Every page of every thread is there once and whole, each thread's in its order."""

    def land_all(account_id: str) -> None:
        for number in range(50):
            writer.land(replace(page(number), account_id=account_id))

    accounts = [f"{n:012}" for n in range(4)]
    with LandingWriter(tmp_path) as writer:
        threads = [Thread(target=land_all, args=(account,)) for account in accounts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    landed = [restored(each) for each in landed_pages(tmp_path)]
    for account in accounts:
        own = [each for each in landed if each.account_id == account]
        assert own == [replace(page(number), account_id=account) for number in range(50)]


def test_instants_keep_their_microseconds(tmp_path: Path) -> None:
    times = [PAGE.arrived_at + timedelta(microseconds=n) for n in (0, 1, 999_999)]
    land(tmp_path, *(replace(PAGE, arrived_at=time) for time in times))
    assert [each.arrived_at for each in landed_pages(tmp_path)] == times


class KilledError(Exception):
    """Ends a run before its commit."""


def leave(directory: Path, request: str) -> None:
    """The landing of a run that was killed: its page is there, its lock went with it."""
    with suppress(KilledError), held(directory, request):
        land(directory, replace(PAGE, region=directory.name))
        raise KilledError


def test_a_landing_that_a_run_left_is_taken_over(tmp_path: Path) -> None:
    """The first that asked the same; what it holds is then in the new run's own landing."""
    for name, request in (("one", "other"), ("two", "same"), ("three", "same")):
        leave(tmp_path / name, request)
    left = [tmp_path / name for name in ("zero", "one", "two", "three")]
    own = tmp_path / "date" / "own"
    with held(own, "same", left) as is_taken_over:
        assert is_taken_over
        assert [each.region for each in landed_pages(own)] == ["two"]
    assert not (tmp_path / "two").exists()
    assert landed_pages(tmp_path / "three") != []


def test_a_landing_that_was_put_to_use_is_not_taken_over(tmp_path: Path) -> None:
    """Its run was committed, or it would not have ended well; the pages stay."""
    used, own = tmp_path / "used", tmp_path / "own"
    with held(used, "same"):
        land(used, PAGE)
    with held(own, "same", [used]) as is_taken_over:
        assert not is_taken_over
    assert (len(landed_pages(used)), landed_pages(own)) == (1, [])


def test_a_landing_is_its_runs_until_the_commit(tmp_path: Path) -> None:
    """Its writer may be closed already: while the run lives, nobody takes its pages away."""
    living, own = tmp_path / "living", tmp_path / "own"
    with held(living, "same"):
        land(living, PAGE)
        with held(own, "same", [living]) as is_taken_over:
            assert not is_taken_over
        assert landed_pages(living) != []
        with pytest.raises(BlockingIOError), held(living, "same"):
            pass


def test_a_landing_that_was_taken_over_is_held_from_before_the_move(tmp_path: Path) -> None:
    leave(tmp_path / "left", "same")
    with held(tmp_path / "first", "same", [tmp_path / "left"]) as is_first:
        left = [tmp_path / "left", tmp_path / "first"]
        with held(tmp_path / "second", "same", left) as is_second:
            assert (is_first, is_second) == (True, False)


def test_where_nothing_was_left_an_empty_landing_is_made(tmp_path: Path) -> None:
    leave(tmp_path / "other", "other")
    own = tmp_path / "own"
    with held(own, "same", [tmp_path / "none", tmp_path / "other"]) as is_taken_over:
        assert not is_taken_over
        assert landed_pages(own) == []


def test_a_page_that_could_not_be_written_ends_its_file_only(tmp_path: Path) -> None:
    """What lands after it is read back: the torn page hides nothing behind it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with LandingWriter(tmp_path) as writer:
        writer.land(replace(PAGE, number=1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                writer.land(replace(PAGE, number=2, body=secrets.token_bytes(100_000)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, ignored)
        writer.land(replace(PAGE, number=3))
    assert [each.number for each in landed_pages(tmp_path)] == [1, 3]


def test_a_closed_landing_takes_no_page(tmp_path: Path) -> None:
    writer = LandingWriter(tmp_path)
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.land(PAGE)


def test_a_landing_file_says_what_each_field_is() -> None:
    """The landing's fields are the page's, so that none can be forgotten in one of the two."""
    known = [name for name in asdict(PAGE) if name != "body"]
    assert landing.SCHEMA.names == [*known, "body_bytes", "body"]
