"""Every member that the installed botocore knows of a build is held by a column, and by one only."""

from collections.abc import Iterator
from copy import deepcopy

import botocore
import botocore.session
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

PARAMETERS = {
    "ListImageBuildVersions": {"imageVersionArn", "filters", "maxResults", "nextToken"},
    "ListImages": {
        *("owner", "filters", "byName", "includeDeprecated", "maxResults", "nextToken"),
    },
}
"""What is known of the operations' requests; a new one may want an option of its own."""


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


def values_without_word(model: ServiceModel) -> Iterator[str]:
    for enum, (table, name) in ENUMS.items():
        (doc,) = [column.doc for column in TABLES[table].columns if column.name == name]
        yield from (f"{enum}.{value}" for value in model.shape_for(enum).enum if value not in doc)


def brought(model: ServiceModel) -> str:
    """What the model has that nothing here knows, in one line; empty where there is nothing."""
    inputs = {name: model.operation_model(name).input_shape.members for name in PARAMETERS}
    most = inputs["ListImageBuildVersions"]["maxResults"].metadata["max"]
    found = {
        "members of ImageSummary without a column": sorted(members_without_column(model)),
        "values that no column names": list(values_without_word(model)),
        "parameters that nothing asks with": [
            f"{operation}.{parameter}"
            for operation, parameters in inputs.items()
            for parameter in parameters
            if parameter not in PARAMETERS[operation]
        ],
        "another largest page": [] if most == MAX_PAGE_SIZE else [str(most)],
    }
    return "; ".join(f"{what}: {', '.join(new)}" for what, new in found.items() if new)


def test_botocore_brings_nothing_that_is_not_known_here() -> None:
    """What AWS added shows here first; until it has a column, `extra` carries a member."""
    new = brought(MODEL)
    assert not new, f"botocore {botocore.__version__} brings {new}"


def test_what_a_newer_botocore_brings_is_told_in_a_line() -> None:
    """The test above can fail: at the top, three levels down, inside a list; of every kind."""
    api = deepcopy(create_loader().load_service_model("imagebuilder", "service-2"))
    text = {"shape": "NonEmptyString"}
    shapes = api["shapes"]
    shapes["ImageSummary"]["members"]["newMember"] = text
    shapes["ComponentFailureContext"]["members"]["severity"] = text
    shapes["Ami"]["members"]["bootMode"] = text
    shapes["ImageStatus"]["enum"].append("ARCHIVED")
    shapes["ListImagesRequest"]["members"]["sortBy"] = text
    shapes["ListImageBuildVersionsRequest"]["members"]["since"] = text
    shapes["ListImageBuildVersionsRequest"]["members"]["maxResults"] = {"shape": "Most"}
    shapes["Most"] = {"type": "integer", "max": 500, "min": 1}
    assert brought(ServiceModel(api, "imagebuilder")) == (
        "members of ImageSummary without a column: newMember, outputResources.amis[].bootMode, "
        "outputResources.amis[].state.failureContext.componentFailure.severity, "
        "state.failureContext.componentFailure.severity; "
        "values that no column names: ImageStatus.ARCHIVED; "
        "parameters that nothing asks with: ListImageBuildVersions.since, ListImages.sortBy; "
        "another largest page: 500"
    )


def test_no_two_columns_hold_the_same_member() -> None:
    held = held_members()
    assert len(held) == len(set(held))


def test_no_column_holds_a_member_that_does_not_exist() -> None:
    assert set(held_members()) <= set(leaf_members(MODEL.shape_for("ImageSummary")))


def test_every_data_table_keeps_what_has_no_column() -> None:
    assert [table.columns[-1].source for table in DATA_TABLES] == [REST] * len(DATA_TABLES)
