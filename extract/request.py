"""What is asked of every target: the parameters of boto3's `list_image_build_versions` paginator."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from schemas.api import SELF


@dataclass(frozen=True)
class Request:
    """imageVersionArn, filters, owners and the PaginationConfig, the same for every target.

    `page_size` None asks for the largest page that the service takes; `max_items` counts the builds
    of one target; `starting_token` is boto3's own, as a truncated listing gave it.
    """

    image_version_arn: str | None = None
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    owners: tuple[str, ...] = (SELF,)
    page_size: int | None = None
    max_items: int | None = None
    starting_token: str | None = None

    @property
    def is_narrowed(self) -> bool:
        """True where not all of the target's own builds are asked for."""
        return bool(self.filters or self.image_version_arn or SELF not in self.owners)

    def api_filters(self) -> list[dict[str, Any]]:
        """The filters as the API takes them."""
        return [{"name": name, "values": list(values)} for name, values in self.filters]

    def to_json(self) -> str:
        """The request as `snapshot_targets.request` shows it."""
        members = asdict(self) | {"filters": dict(self.filters)}
        return json.dumps({_camel(name): value for name, value in members.items() if value})


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)
