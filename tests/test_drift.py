"""Every member that the installed botocore knows of a build is held by a column, and by one only."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import botocore.session
import pytest
from botocore.loaders import create_loader
from botocore.model import ServiceModel, Shape

from schemas.api import MAX_PAGE_SIZE
from schemas.table import REST
from schemas.tables import DATA_TABLES, TABLES

MODEL = botocore.session.get_session().get_service_model("imagebuilder")

ENUMS = {
    "ImageStatus": ("image_builds", "state_status"),
    "BuildType": ("image_builds", "build_type"),
    "ImageSource": ("image_builds", "image_source"),
    "ImageType": ("image_builds", "type"),
    "Platform": ("image_builds", "platform"),
    "RegionFailureStatus": ("image_region_failures", "status"),
}
"""By the model's name of an enum, the column whose description lists its values."""


def leaf_members(shape: Shape, path: str = "") -> Iterator[str]:
    """The paths of all members below a shape that are no objects; `[]` steps into a list."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from leaf_members(member, f"{path}.{name}".removeprefix("."))
    elif shape.type_name == "list":
        yield from leaf_members(shape.member, f"{path}[]")
    else:
        yield path


def held_members() -> list[str]:
    """The path of every member that a column holds to the letter."""
    return [
        f"{element}.{column.source}".removeprefix(".")
        for table in DATA_TABLES
        for element in table.elements
        for column in table.columns
        if column.is_to_the_letter
    ]


def members_without_column(model: ServiceModel) -> set[str]:
    return set(leaf_members(model.shape_for("ImageSummary"))) - set(held_members())


def test_every_member_of_a_build_has_a_column() -> None:
    """A member that AWS added shows here first; until then `extra` carries it."""
    without = sorted(members_without_column(MODEL))
    assert not without, f"botocore knows members of ImageSummary that no column holds: {without}"


def test_the_walk_finds_a_member_that_has_no_column() -> None:
    """The test above can fail: at the top, three levels down and inside a list."""
    api = deepcopy(create_loader().load_service_model("imagebuilder", "service-2"))
    text = {"shape": "NonEmptyString"}
    api["shapes"]["ImageSummary"]["members"]["newMember"] = text
    api["shapes"]["ComponentFailureContext"]["members"]["severity"] = text
    api["shapes"]["Ami"]["members"]["bootMode"] = text
    assert members_without_column(ServiceModel(api, "imagebuilder")) == {
        "newMember",
        "state.failureContext.componentFailure.severity",
        "outputResources.amis[].state.failureContext.componentFailure.severity",
        "outputResources.amis[].bootMode",
    }


def test_no_two_columns_hold_the_same_member() -> None:
    held = held_members()
    assert len(held) == len(set(held))


def test_no_column_holds_a_member_that_does_not_exist() -> None:
    assert set(held_members()) <= set(leaf_members(MODEL.shape_for("ImageSummary")))


def test_every_data_table_keeps_what_has_no_column() -> None:
    assert [table.columns[-1].source for table in DATA_TABLES] == [REST] * len(DATA_TABLES)


@pytest.mark.parametrize(("enum", "column"), ENUMS.items(), ids=ENUMS)
def test_a_column_names_every_value_of_its_enum(enum: str, column: tuple[str, str]) -> None:
    table, name = column
    (doc,) = [c.doc for c in TABLES[table].columns if c.name == name]
    missing = [value for value in MODEL.shape_for(enum).enum if value not in doc]
    assert not missing, f"{table}.{name} does not say that it can be {missing}"


def test_the_page_size_asked_for_is_the_most_that_the_model_allows() -> None:
    size = MODEL.operation_model("ListImageBuildVersions").input_shape.members["maxResults"]
    assert size.metadata["max"] == MAX_PAGE_SIZE


def test_a_listing_can_ask_for_all_that_the_operation_takes() -> None:
    """A new request member would want an option of its own."""
    members: dict[str, Any] = MODEL.operation_model("ListImageBuildVersions").input_shape.members
    assert set(members) == {"imageVersionArn", "filters", "maxResults", "nextToken"}
