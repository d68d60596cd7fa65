"""The paginated call series that a target's listing is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from extract.envelope import listed_images
from extract.landing import LandedPage, Page
from extract.request import Request
from schemas.api import SELF

LIST_BUILDS: Final = "ListImageBuildVersions"
LIST_IMAGES: Final = "ListImages"

_METHODS: Final = {LIST_BUILDS: "list_image_build_versions", LIST_IMAGES: "list_images"}
_RESULTS: Final = {LIST_BUILDS: "imageSummaryList", LIST_IMAGES: "imageVersionList"}


@dataclass(frozen=True)
class Ask:
    """One paginated call series: all own builds, an owner's images, or one image's builds."""

    operation: str
    ownership: str
    arguments: dict[str, Any]

    @property
    def method(self) -> str:
        """The client's method, as boto3 names it."""
        return _METHODS[self.operation]

    @property
    def result(self) -> str:
        """The answer's member that holds the items."""
        return _RESULTS[self.operation]


def asks(request: Request) -> Iterator[Ask]:
    """What is asked first; images of other owners add to it as they become known."""
    filters = {"filters": request.api_filters()} if request.filters else {}
    if request.image_version_arn:
        arn = {"imageVersionArn": request.image_version_arn}
        yield Ask(LIST_BUILDS, request.owners[0], arn | filters)
        return
    for owner in request.owners:
        if owner == SELF:
            yield Ask(LIST_BUILDS, SELF, filters)
        else:
            yield Ask(LIST_IMAGES, owner, {"owner": owner} | filters)


def image_arns(page: Page | LandedPage) -> list[str]:
    """The images that a page of ListImages named; none for a page of builds, which stays unread."""
    if page.operation != LIST_IMAGES:
        return []
    return listed_images(page.read_body())


def asks_for_images(ownership: str, arns: list[str]) -> Iterator[Ask]:
    """Images of others are found only one by one (the API lists no builds of other owners)."""
    for arn in arns:
        yield Ask(LIST_BUILDS, ownership, {"imageVersionArn": arn})
