"""Builds and image versions as the JSON text that Image Builder sends."""

from functools import lru_cache

from extract.emulator.failures import failed_ami_state, state_of, uuid_text
from extract.emulator.fleet import RETIRED, Build, Image, civil

DAY_MS = 86_400_000
MINUTES = [f"{hour:02d}:{minute:02d}:" for hour in range(24) for minute in range(60)]
SECONDS = [f"{second:02d}." for second in range(60)]
FINISHED = RETIRED | {"AVAILABLE"}


def build_json(build: Build) -> str:
    """Return one element of `imageSummaryList`."""
    image = build.image
    version, number = image.version(build.slot)
    created = date_time(build.created)
    finished = build.status in FINISHED
    start, middle, after_state = _fixed_parts(image)
    state = state_of(build)
    outputs = ""
    if finished or (build.status == "FAILED" and build.fate == "distribution"):
        outputs = _outputs(build, version, number, created)
    return (
        f'{start}{version}/{number}{middle}{version}/{number}{after_state}{state},"owner":'
        f'"{image.owner}","dateCreated":"{created}",{outputs}{_tags(build)}'
        f'"buildType":"{_build_type(build)}","imageSource":"{image.source}"'
        f"{_lifecycle(build) if finished else ''}{_log_group(image)}}}"
    )


def version_json(build: Build) -> str:
    """Return one element of `imageVersionList`, for the version whose oldest build is `build`."""
    image = build.image
    version, _ = image.version(build.slot)
    return (
        f'{{"arn":"{image.arn}/{version}","name":"{image.name}","type":"{image.type}",'
        f'"version":"{version}","platform":"{image.platform}","osVersion":"{image.os_version}",'
        f'"owner":"{image.owner}","dateCreated":"{date_time(build.created)}",'
        f'"buildType":"{_build_type(build)}","imageSource":"{image.source}"}}'
    )


def name_json(image: Image) -> str:
    """Return one element of `imageVersionList` that stands for all versions of a name."""
    return (
        f'{{"arn":"{image.arn}/x.x.x","name":"{image.name}","type":"{image.type}",'
        f'"platform":"{image.platform}","owner":"{image.owner}"}}'
    )


def date_time(milliseconds: int) -> str:
    """Return epoch milliseconds as `2020-02-14T21:29:18.810Z`."""
    day, rest = divmod(milliseconds, DAY_MS)
    minute, rest = divmod(rest, 60_000)
    return f"{_date(day)}T{MINUTES[minute]}{SECONDS[rest // 1000]}{rest % 1000:03d}Z"


@lru_cache(8192)
def _date(day: int) -> str:
    return "{:04d}-{:02d}-{:02d}".format(*civil(day))


@lru_cache(8192)
def _fixed_parts(image: Image) -> tuple[str, str, str]:
    return (
        f'{{"arn":"{image.arn}/',
        f'","name":"{image.name}","type":"{image.type}","version":"',
        f'","platform":"{image.platform}","osVersion":"{image.os_version}","state":',
    )


@lru_cache(8192)
def _ami_parts(image: Image) -> tuple[tuple[str, str], ...]:
    """Return for each place the text before the AMI's id and the text from its account on."""
    return tuple(
        (f'{{"region":"{place.region}","image":"ami-', f',"accountId":"{place.account}"}}')
        for place in image.places
    )


def _outputs(build: Build, version: str, number: int, created: str) -> str:
    if build.image.type == "DOCKER":
        return f'"outputResources":{{"containers":[{_containers(build, version, number)}]}},'
    return f'"outputResources":{{"amis":[{_amis(build, version, number, created)}]}},'


def _amis(build: Build, version: str, number: int, created: str) -> str:
    image, digest = build.image, build.digest
    status = build.status if build.status in FINISHED else "AVAILABLE"
    after_id = (
        f'","name":"{image.slug} {created.replace(":", "-")}",'
        f'"description":"{image.name} {version}/{number}, built by EC2 Image Builder",'
        f'"state":{{"status":"{status}"}}'
    )
    at = 24
    amis = []
    for start, end in _ami_parts(image):
        amis.append(start + digest[at : at + 17] + after_id + end)
        at += 17
    if build.fate == "ami_failed" and status == "AVAILABLE":
        state = failed_ami_state(build)
        amis[-1] = amis[-1].replace('"state":{"status":"AVAILABLE"}', f'"state":{state}')
    return ",".join(amis)


def _containers(build: Build, version: str, number: int) -> str:
    image = build.image
    team, _, repository = image.slug.partition("-")
    containers = []
    for region, account in image.places:
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        uri = f"{account}.dkr.ecr.{region}.{suffix}/{team}/{repository}"
        containers.append(
            f'{{"region":"{region}","imageUris":["{uri}:{version}-{number}","{uri}:latest",'
            f'"{uri}@sha256:{build.digest[64:]}"]}}'
        )
    return ",".join(containers)


def _tags(build: Build) -> str:
    if not build.image.tags:
        return ""
    if build.digest[40] > "b":
        return f'"tags":{{{build.image.tags}}},'
    return f'"tags":{{{build.image.tags},"Commit":"{build.digest[41:53]}"}},'


def _build_type(build: Build) -> str:
    if build.image.source == "IMPORTED":
        return "IMPORT"
    return "USER_INITIATED" if build.digest[54] < "3" else "SCHEDULED"


def _lifecycle(build: Build) -> str:
    """Return the members that a lifecycle policy leaves on a build."""
    image = build.image
    text = ""
    if image.deprecate_after:
        text = f',"deprecationTime":{build.created // 1000 + image.deprecate_after}'
    if build.status in RETIRED and not image.is_foreign:
        text += f',"lifecycleExecutionId":"lce-{uuid_text(build.digest[56:88])}"'
    return text


def _log_group(image: Image) -> str:
    if not image.log_group:
        return ""
    return f',"loggingConfiguration":{{"logGroupName":"{image.log_group}"}}'
