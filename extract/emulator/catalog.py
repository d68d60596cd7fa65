"""Which images a target has: names, systems, owners, tags and where they are distributed to.

Everything here is a pure function of (seed, accounts, regions, builds, account, region).
"""

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from extract.emulator.fleet import DAY, Image, Place

OWNERS = ("Self", "Shared", "Amazon", "ThirdParty", "AWSMarketplace")
IMAGES_MOST = 400
SHARER = "444455556666"


class Stack(NamedTuple):
    """One kind of image that teams build."""

    name: str
    type: str
    platform: str
    os_version: str
    source: str
    retention_days: int
    versioning: str


STACKS = (
    Stack("Golden AL2023", "AMI", "Linux", "Amazon Linux 2023", "AMAZON_MANAGED", 14, "patch"),
    Stack("Java 21 Service", "AMI", "Linux", "Amazon Linux 2023", "CUSTOM", 12, "minor"),
    Stack("Windows 2022 IIS", "AMI", "Windows", "Microsoft Windows Server 2022",
          "AMAZON_MANAGED", 45, "minor"),
    Stack("Node 22 Runtime", "DOCKER", "Linux", "Amazon Linux 2023", "CUSTOM", 10, "patch"),
    Stack("CIS Ubuntu 24-04", "AMI", "Linux", "Ubuntu 24", "AWS_MARKETPLACE", 60, "minor"),
    Stack("EKS Node AL2023", "AMI", "Linux", "Amazon Linux 2023", "AMAZON_MANAGED", 30, "date"),
    Stack("Xcode Build Host", "AMI", "macOS", "macOS Sonoma 14", "AMAZON_MANAGED", 120, "minor"),
    Stack("Python 3-12 Batch", "DOCKER", "Linux", "Amazon Linux 2", "AMAZON_MANAGED", 30, "minor"),
    Stack("SQL Server 2019 Node", "AMI", "Windows", "Microsoft Windows Server 2019",
          "IMPORTED", 400, "patch"),
    Stack("RHEL 9 Hardened", "AMI", "Linux", "Red Hat Enterprise Linux 9",
          "AMAZON_MANAGED", 45, "patch"),
    Stack("GPU Training", "AMI", "Linux", "Ubuntu 22", "CUSTOM", 120, "minor"),
    Stack("Bastion_Host", "AMI", "Linux", "Amazon Linux 2", "AMAZON_MANAGED", 14, "minor"),
)  # fmt: skip
TEAMS = (
    "Platform", "Payments", "Storefront", "Data", "Mobile", "Security", "ML", "Logistics",
    "Identity", "Search", "Billing", "Risk", "Media", "Ads", "Support", "Edge", "Analytics",
)  # fmt: skip
EDITIONS = ("", " FIPS", " Canary")
MANAGED = {
    "Amazon": (
        ("Amazon Linux 2023 x86", "AMI", "Linux", "Amazon Linux 2023"),
        ("Amazon Linux 2023 arm64", "AMI", "Linux", "Amazon Linux 2023"),
        ("Ubuntu Server 24 LTS x86", "AMI", "Linux", "Ubuntu 24"),
        ("Windows Server 2022 English Full Base x86", "AMI", "Windows",
         "Microsoft Windows Server 2022"),
        ("macOS Sonoma ARM64", "AMI", "macOS", "macOS Sonoma 14"),
        ("Amazon Linux 2023 x86 Container", "DOCKER", "Linux", "Amazon Linux 2023"),
    ),
    "Shared": (("Central Hardened Base", "AMI", "Linux", "Amazon Linux 2023"),
               ("Central Windows Core", "AMI", "Windows", "Microsoft Windows Server 2022")),
    "ThirdParty": (("Acme Observability Host", "AMI", "Linux", "Ubuntu 22"),),
    "AWSMarketplace": (("CIS Red Hat Enterprise Linux 9", "AMI", "Linux",
                        "Red Hat Enterprise Linux 9"),),
}  # fmt: skip
ARN_ACCOUNTS = {
    "Amazon": "aws",
    "Shared": SHARER,
    "ThirdParty": "third-party",
    "AWSMarketplace": "aws-marketplace",
}
PUBLISHERS = {"Amazon": "137112412989", "ThirdParty": "679593333241", "Shared": SHARER}
SOURCES = {"Amazon": "AMAZON_MANAGED", "AWSMarketplace": "AWS_MARKETPLACE"}


class Scope(NamedTuple):
    """What a fleet depends on besides its target."""

    seed: int
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    builds: int


def partition(region: str) -> str:
    """Return the ARN partition of a region."""
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws-cn" if region.startswith("cn-") else "aws"


def owned_images(scope: Scope, account: str, region: str) -> list[Image]:
    """Return the images that `account` builds in `region`, about `scope.builds` builds of them."""
    count = min(IMAGES_MOST, max(min(len(STACKS), scope.builds), scope.builds // 10))
    return [_owned(scope, account, region, index, count) for index in range(count)]


def foreign_images(scope: Scope, owner: str, region: str) -> list[Image]:
    """Return the images that `owner` (not Self) offers in `region`, the same to every account."""
    return [_foreign(scope, owner, region, index) for index in range(len(MANAGED[owner]))]


def _owned(scope: Scope, account: str, region: str, index: int, count: int) -> Image:
    key = f"{scope.seed}/{account}/{region}/{index}".encode()
    dice = blake2b(key, digest_size=16).digest()
    stack = STACKS[index % len(STACKS)]
    row = index // len(STACKS)
    first_team = scope.accounts.index(account) * 3 + scope.regions.index(region)
    team = TEAMS[(first_team + index % len(STACKS) + row) % len(TEAMS)]
    name = f"{team} {stack.name}{_edition(row // len(TEAMS))}"
    live = max(1.0, scope.builds / count)
    retention = stack.retention_days * DAY * (90 + dice[0] % 21) // 100
    places = _places(scope, account, region, dice)
    slug = slug_of(name)
    return Image(
        key=key,
        name=name,
        slug=slug,
        type=stack.type,
        platform=stack.platform,
        os_version=stack.os_version,
        owner=account,
        arn=f"arn:{partition(region)}:imagebuilder:{region}:{account}:image/{slug}",
        interval=max(1, int(retention * 0.94 / live)),
        retention=retention,
        builds_per_version=max(2 + dice[1] % 4, int(live / 6)),
        versioning=stack.versioning,
        source=stack.source,
        deprecate_after=retention * 6 // 10 if dice[2] % 3 else 0,
        places=places,
        tags=_tags(team, account, dice),
        log_group="" if dice[3] % 4 == 0 else f"/aws/imagebuilder/{slug}",
        is_foreign=False,
    )


def _edition(number: int) -> str:
    """What sets images of one team and stack apart: their names must differ."""
    round_number, edition = divmod(number, len(EDITIONS))
    return EDITIONS[edition] + (f" {round_number + 1}" if round_number else "")


def _foreign(scope: Scope, owner: str, region: str, index: int) -> Image:
    name, kind, platform, os_version = MANAGED[owner][index]
    slug = slug_of(name)
    arn_account = ARN_ACCOUNTS[owner]
    return Image(
        key=f"{scope.seed}/{owner}/{region}/{index}".encode(),
        name=name,
        slug=slug,
        type=kind,
        platform=platform,
        os_version=os_version,
        owner=SHARER if owner == "Shared" else owner,
        arn=f"arn:{partition(region)}:imagebuilder:{region}:{arn_account}:image/{slug}",
        interval=(28 + index) * DAY,
        retention=300 * DAY,
        builds_per_version=1,
        versioning="date" if owner == "Amazon" else "minor",
        source=SOURCES.get(owner, "CUSTOM"),
        deprecate_after=180 * DAY,
        places=(Place(region, PUBLISHERS.get(owner, "679593333241")),),
        tags="",
        log_group="",
        is_foreign=True,
    )


def slug_of(name: str) -> str:
    """Return the name part of an ARN: lower-cased and hyphenated."""
    return name.lower().replace(" ", "-")


def _places(scope: Scope, account: str, region: str, dice: bytes) -> tuple[Place, ...]:
    """Return one to six (region, account) places: the target's own first."""
    regions = _some(scope.regions, region, dice[4] % 3)
    accounts = _some(scope.accounts, account, 1 if dice[5] % 3 == 0 else 0)
    return tuple(Place(place, owner) for owner in accounts for place in regions)


def _some(names: Sequence[str], first: str, more: int) -> list[str]:
    return [first, *(name for name in names if name != first)][: more + 1]


def _tags(team: str, account: str, dice: bytes) -> str:
    """Return the image's tags as the inside of a JSON object; some teams forget theirs."""
    tags = {"Team": team, "Environment": ("prod", "staging", "dev")[dice[6] % 3]}
    if dice[7] % 3:
        tags["CostCenter"] = f"CC-{account[:4]}-{dice[8] % 90 + 10}"
    if dice[9] % 6 == 0:
        tags = {}
    if dice[10] % 5 == 0:
        tags["Note"] = 'the "blessed" image 🚀, see \\\\wiki\\images'
    if dice[11] % 7 == 0:
        tags["cost-center"] = ""
    return json.dumps(tags, ensure_ascii=False, separators=(",", ":"))[1:-1]
