"""Every fault at every stage of a run ends as is promised, and as the page of the docs says."""

import pytest

from extract.emulator.faults import ERRORS, KEYS, SERVICES
from tests.fault_matrix import (
    KINDS,
    OUTCOMES,
    OUTLASTING,
    PAGE,
    RHYTHMS,
    STAGES,
    WHOLE_TARGET,
    Cells,
    measured_all,
    page,
)

pytestmark = pytest.mark.slow

PASSING = {"500", "503", "429", "html", "html_200", "reset", "truncate"}
"""What is asked again."""
ASKED_AGAIN_BY_BOTOCORE = {"500", "503", "429", "html", "reset", "hang:60"}
"""Where the call is no listing's: an answer that cannot be parsed is the end of it."""
LOST = dict(
    zip(STAGES[3:], ("nothing", *["part, goes on"] * 2, "nothing", "part"), strict=True),
)
"""By stage of a listing, what is left of the target where the call fails for good."""


@pytest.fixture(scope="module")
def measured() -> tuple[dict[str, Cells], Cells]:
    return measured_all()


def promised(outcome: str, rhythm: str, stage: str) -> str:
    """How the target ends, without the error's code."""
    is_once = rhythm == "once"
    match stage:
        case "who is asking":
            return "whole" if is_once and outcome in ASKED_AGAIN_BY_BOTOCORE else "no run"
        case "signing in":  # the listing asks again itself
            is_passing = outcome in PASSING | ASKED_AGAIN_BY_BOTOCORE
            return "whole" if is_once and is_passing else "nothing"
        case "finding the regions":
            return "whole" if is_once and outcome in ASKED_AGAIN_BY_BOTOCORE else "nothing"
    is_begun = LOST[stage] != "nothing"
    match outcome:
        case "invalid_token" if is_begun:  # listed from the start, once
            return "whole" if is_once else "part"
        case "invalid_request" | "invalid_parameter" if is_once:  # asked for smaller pages
            return "whole"
        case "unrecognized_client" | "opt_in_required" if not is_begun:
            return "skipped"
    return "whole" if is_once and outcome in PASSING else LOST[stage]


WHOLE_PROMISED: dict[str, tuple[str, str]] = {
    **dict.fromkeys(WHOLE_TARGET, ("whole", "whole")),
    "throttle (all calls)": ("part, goes on", "part, goes on"),
    "empty": ("whole, empty", "whole, empty"),
    "same_token": ("part", "part"),
    "expire_token_after_pages": ("part, goes on", "part, goes on"),
    "region_disabled": ("skipped", "not read"),
    "region_disabled (all regions)": ("nothing", "not read"),
    **dict.fromkeys(("sts_denied", "external_id"), ("nothing", "nothing")),
    "list_regions_denied": ("whole", "nothing"),
}


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_each_fault_ends_as_promised_at_each_stage(
    measured: tuple[dict[str, Cells], Cells], rhythm: str
) -> None:
    ends = {cell: end.partition(":")[0] for cell, end in measured[0][rhythm].items()}
    assert ends == {
        (outcome, stage): promised(outcome, rhythm, stage)
        for outcome in OUTCOMES
        for stage in STAGES
    }


def test_each_fault_of_a_whole_target_ends_as_promised(
    measured: tuple[dict[str, Cells], Cells],
) -> None:
    ends = {cell: end.partition(":")[0] for cell, end in measured[1].items()}
    assert ends == {
        (fault, kind): end
        for fault, ends_of in WHOLE_PROMISED.items()
        for kind, end in zip(KINDS, ends_of, strict=True)
    }


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_each_error_keeps_its_name(measured: tuple[dict[str, Cells], Cells], rhythm: str) -> None:
    """AWS's own, without its suffix where STS says it."""
    told = {
        (outcome, stage): end.partition(": ")[2]
        for (outcome, stage), end in measured[0][rhythm].items()
        if ": " in end and outcome in ERRORS and outcome not in OUTLASTING[rhythm]
    }
    expected = {}
    for outcome, stage in told:
        name = ERRORS[outcome][1]
        is_asking_ec2 = stage == "finding the regions" and outcome in ("access_denied", "forbidden")
        expected[outcome, stage] = "InvalidAction" if is_asking_ec2 else name
        if stage == "signing in":
            expected[outcome, stage] = name.removesuffix("Exception")
    assert told == expected


def test_the_page_of_the_docs_is_what_was_measured(
    measured: tuple[dict[str, Cells], Cells],
) -> None:
    """`python -m tests.fault_matrix` writes it."""
    assert page(*measured) == PAGE.read_text()


def test_every_fault_of_the_emulator_has_its_row() -> None:
    scripts = {"errors", "always", *SERVICES}
    assert {key for faults in WHOLE_TARGET.values() for key in faults} == set(KEYS) - scripts
    assert set(ERRORS) < set(OUTCOMES)
