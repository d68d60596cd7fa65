"""Made-up pages of the API whose every row says which run it is of, and how many there must be."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from extract.asks import LIST_BUILDS
from extract.landing import LandedPage, Page
from schemas.api import SELF

ACCOUNT = "111122223333"
REGIONS = ("us-east-1", "eu-west-1")
PAGE_BUILDS = 5


@dataclass(frozen=True)
class Label:
    """What every row of a landing carries: a name, each region's builds, each build's AMIs."""

    name: str
    builds: int
    amis: int

    @classmethod
    def draw(cls, random: Random) -> "Label":
        return cls(f"{random.getrandbits(40):010x}", random.randint(3, 14), random.randint(1, 3))

    @classmethod
    def of(cls, pages: list[LandedPage]) -> "Label | None":
        """The label of pages that landed; None where none did."""
        if not pages:
            return None
        name, builds, amis = json.loads(pages[0].read_body())["imageSummaryList"][0]["name"].split(
            "."
        )
        return cls(name, int(builds), int(amis))

    def __str__(self) -> str:
        return f"{self.name}.{self.builds}.{self.amis}"

    def page_count(self) -> int:
        """Pages of a region."""
        return -(-self.builds // PAGE_BUILDS)

    def pages(self, region: str) -> Iterator[Page]:
        """The pages of a region; the ARNs are the same whatever the label's name."""
        for number in range(1, self.page_count() + 1):
            first = (number - 1) * PAGE_BUILDS
            builds = [
                self._build(region, build)
                for build in range(first, min(first + PAGE_BUILDS, self.builds))
            ]
            yield Page(
                account_id=ACCOUNT,
                region=region,
                operation=LIST_BUILDS,
                ownership=SELF,
                attempt=1,
                number=number,
                token=None if number == 1 else f"token-{number}",
                next_token=None if number == self.page_count() else f"token-{number + 1}",
                first_item=0,
                item_count=len(builds),
                request_id=None,
                arrived_at=datetime.now(UTC),
                body=json.dumps({"imageSummaryList": builds}).encode(),
            )

    def _build(self, region: str, number: int) -> dict[str, object]:
        """A build with its AMIs, one container image and one failure."""
        failure = {"region": region, "status": "FAILED", "errorMessage": str(self)}
        context = {"distributionFailure": {"regionFailures": [failure]}}
        return {
            "arn": f"arn:aws:imagebuilder:{region}:{ACCOUNT}:image/image-{number}/1.0.0/1",
            "name": str(self),
            "type": "AMI",
            "state": {"status": "FAILED", "failureContext": context},
            "outputResources": {
                "amis": [{"region": region, "name": str(self)} for _ in range(self.amis)],
                "containers": [
                    {
                        "region": region,
                        "imageUris": [f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/{self}:latest"],
                    }
                ],
            },
        }
