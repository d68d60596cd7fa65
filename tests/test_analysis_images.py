"""The analysis views where the small history does not reach: images, their AMIs, URIs and tags."""

import json
from datetime import timedelta
from typing import Any

from tests.analysis import ask, whole_run
from tests.rows import ami, arn_of, build, container_uri, covered
from tests.small_history import (
    DAYS,
    HOME,
    OTHER,
    at,
)

__all__ = ["ask"]  # a fixture is used by its name


def test_a_build_ends_between_captures_of_several_pages(ask: Any) -> None:
    """A build's page comes before its target's newest; who was there before and is new to us is none.

    The second build was seen running, missed a capture and came back; the third says it runs again;
    of the last, which ran through two captures unchanged, the second one's page has no row that tells.
    """
    pages = timedelta(minutes=5)
    told = {
        "web/1.0.0/1": ("BUILDING", "AVAILABLE", "AVAILABLE"),
        "web/1.0.0/2": ("TESTING", None, "FAILED"),
        "web/1.0.0/3": (None, "AVAILABLE", "BUILDING"),
        "web/1.0.0/4": (None, "AVAILABLE", "AVAILABLE"),
        "web/1.0.0/5": (None, None, "DEPRECATED"),
        "web/1.0.0/6": ("AVAILABLE", "AVAILABLE", "AVAILABLE"),
        "web/1.0.0/7": ("BUILDING", "BUILDING", "AVAILABLE"),
    }
    created = dict.fromkeys(told, at(16, 10)) | {"web/1.0.0/5": at(18, 8)}
    runs = []
    for day in range(3):
        listed = {image: states[day] for image, states in told.items()}
        run = whole_run(
            day,
            [
                build(HOME, DAYS[day], image, state, created_at=created[image])
                for image, state in listed.items()
                if state
            ],
        )
        (target,) = run["snapshot_targets"]
        target = {**target, "captured_at": target["captured_at"] + pages}
        runs.append({**run, "snapshot_targets": [target]})
    query = """
        select build_number, state_status, seen_running_at, at_least_hours, at_most_hours
        from build_completions order by build_number
    """
    assert ask(query, *runs) == [
        (1, "AVAILABLE", at(16, 12), 2.0, 26.0),
        (2, "FAILED", at(16, 12), 2.0, 50.0),
        (5, "DEPRECATED", None, 0.0, 4.0),
        (7, "AVAILABLE", at(16, 12, 5), 2 + 5 / 60, 50.0),
    ]


def test_amis_beyond_the_newest_three_builds_are_sprawl(ask: Any) -> None:
    """By region: what is deprecated counts, but needs no keeping; what failed is not there."""
    listed: dict[str, tuple[str, dict[str, str | None]]] = {
        "web/1.10.0/1": ("AVAILABLE", {"us-east-1": "AVAILABLE"}),
        "web/1.9.5/1": ("AVAILABLE", {"us-east-1": "DISABLED"}),
        "web/1.9.0/2": ("AVAILABLE", {"us-east-1": "AVAILABLE", "eu-west-1": None}),
        "web/1.9.0/1": ("DEPRECATED", {"us-east-1": "DEPRECATED"}),
        "web/1.8.0/1": ("AVAILABLE", {"us-east-1": "FAILED", "eu-west-1": "AVAILABLE"}),
        "web/1.7.0/1": ("AVAILABLE", {"us-east-1": "AVAILABLE", "eu-west-1": "AVAILABLE"}),
        "web/1.6.0/1": ("AVAILABLE", {"us-east-1": None}),
        "web/1.5.0/1": ("DEPRECATED", {"us-east-1": "DISABLED", "eu-west-1": "DELETED"}),
        "web/1.4.0/1": ("FAILED", {"us-east-1": "AVAILABLE"}),
        "db/1.0.0/1": ("AVAILABLE", {"us-east-1": "AVAILABLE"}),
    }
    builds = [build(HOME, DAYS[0], image, status) for image, (status, _) in listed.items()]
    amis = [
        ami(HOME, DAYS[0], image, position, region, status)
        for image, (_, places) in listed.items()
        for position, (region, status) in enumerate(places.items())
    ]
    # the same AMI twice in a build's list is one build's, and two rows
    for image in ("web/1.9.0/2", "web/1.6.0/1"):
        amis.append(ami(HOME, DAYS[0], image, 7, "us-east-1", None))
    query = """
        select image_arn, position, ami_id, state_status, ami_state_status, excess_count
        from build_sprawl order by image_arn, position
    """
    last, twice = arn_of(HOME, "web/1.5.0/1"), arn_of(HOME, "web/1.6.0/1")
    ami_id = "ami-web/1.6.0/1-us-east-1"
    found = ask(query.replace("state_status, ami", "ami", 1), whole_run(0, builds, amis))
    assert found == [
        (last, 0, "ami-web/1.5.0/1-us-east-1", "DISABLED", 3),
        (twice, 0, ami_id, "AVAILABLE", 3),
        (twice, 7, ami_id, "AVAILABLE", 3),
    ]


def test_what_others_own_is_nobodys_sprawl_and_needs_no_tags(ask: Any) -> None:
    """Listed beside one's own. Older versions did not tell whose: they listed one's own."""
    listed = {
        ("al2023/1.{}.0/1", "Amazon"): 5,
        ("shared/1.{}.0/1", "Shared"): 5,
        ("web/1.{}.0/1", None): 4,
        ("db/1.{}.0/1", "Self"): 4,
    }
    builds = [
        build(HOME, DAYS[0], image.format(number), "AVAILABLE", ownership=owner, tags={"Team": "a"})
        for (image, owner), count in listed.items()
        for number in range(count)
    ]
    amis = [
        ami(HOME, DAYS[0], f"{row['image_slug']}/{row['version']}", 0, "us-east-1", None)
        for row in builds
    ]
    run = whole_run(0, builds, amis)
    assert ask("select image_arn from build_sprawl order by all", run) == [
        (arn_of(HOME, f"{slug}/1.0.0/1"),) for slug in ("db", "web")
    ]
    query = "select tag_key, build_count, tagged_count, untagged_count from tag_coverage"
    assert ask(query) == [("Team", 8, 8, 0)]


def test_five_builds_are_looked_at_for_an_images_regions(ask: Any) -> None:
    """The sixth newest does not tell, nor do those that are not AVAILABLE; of an AMI that is listed
    twice the last counts, as in golden_amis."""
    places = {
        "web/1.12.0/1": (),
        "web/1.11.0/1": ("us-east-1", "us-east-1"),
        "web/1.10.0/1": ("us-east-1",),
        "web/1.9.0/1": ("eu-west-1",),
        "web/1.8.0/1": ("us-east-1",),
        "web/1.7.0/1": ("sa-east-1",),
    }
    builds = [build(HOME, DAYS[0], image, "AVAILABLE") for image in places]
    builds.append(build(HOME, DAYS[0], "web/2.0.0/1", "FAILED"))
    amis = [
        {**ami(HOME, DAYS[0], image, position, region, None), "ami_id": f"ami-{position}"}
        for image, regions in {**places, "web/2.0.0/1": ("ap-south-1",)}.items()
        for position, region in enumerate(regions)
    ]
    query = """
        select ami_region, considered_count, reached_count, is_missing_in_newest, newest_arn,
            last_arn, last_ami_id, golden_amis.ami_id
        from ami_region_coverage join golden_amis using (image_slug, ami_region) order by all
    """
    newest = arn_of(HOME, "web/1.12.0/1")
    assert ask(query, whole_run(0, builds, amis)) == [
        ("eu-west-1", 5, 1, True, newest, arn_of(HOME, "web/1.9.0/1"), "ami-0", "ami-0"),
        ("us-east-1", 5, 3, True, newest, arn_of(HOME, "web/1.11.0/1"), "ami-1", "ami-1"),
    ]


def test_a_uri_belongs_to_the_last_build_whichever_image_it_is_of(ask: Any) -> None:
    """By creation time: a fix of an old version moves the tag back. Who is not AVAILABLE owns none."""
    made = {
        "app/2.0.0/1": ("AVAILABLE", at(14, 1)),
        "app/1.9.1/1": ("AVAILABLE", at(15, 1)),
        "fork/1.0.0/1": ("DEPRECATED", at(15, 2)),
        "fork/1.0.0/2": ("BUILDING", at(15, 3)),
    }
    builds = [
        build(HOME, DAYS[0], image, status, created_at=since)
        for image, (status, since) in made.items()
    ]
    uris = [container_uri(HOME, DAYS[0], image, 0, "app", "latest") for image in made]
    uris.append(container_uri(HOME, DAYS[0], "fork/1.0.0/1", 1, "app", "gone"))
    uris.append({**uris[0], "uri_position": 1})  # listed twice: one row
    uris.append({**uris[0], "uri_position": 2, "image_uri": None})  # and a container without a URI
    query = "select image_slug, build_number, tag, owner_arn, is_owner from container_images"
    owner = arn_of(HOME, "app/1.9.1/1")
    assert ask(
        f"{query} order by created_at, tag desc", whole_run(0, builds, image_containers=uris)
    ) == [
        ("app", 1, "latest", owner, False),
        ("app", 1, "latest", owner, True),
        ("fork", 1, "latest", owner, False),
        ("fork", 1, "gone", None, False),
        ("fork", 2, "latest", owner, False),
    ]


def test_a_uri_has_one_owner_in_whichever_targets_its_build_is_listed(ask: Any) -> None:
    """The account's own row, though another lists the build as shared; what shows there may lag."""
    image = "app/1.0.0/1"
    uri = container_uri(HOME, DAYS[0], image, 0, "app", "latest")
    query = "select account_id, state_status, owner_arn from container_images where is_owner"
    for own, shared, owner in (
        ("AVAILABLE", "AVAILABLE", HOME),
        ("DEPRECATED", "AVAILABLE", OTHER),
        ("DEPRECATED", "DEPRECATED", None),
    ):
        there = {"account_id": OTHER[0], "region": OTHER[1]}
        builds = [
            build(HOME, DAYS[0], image, own),
            {**build(HOME, DAYS[0], image, shared), **there, "ownership": "Shared"},
        ]
        run = whole_run(0, builds, image_containers=[uri, {**uri, **there}])
        targets = [covered(target, DAYS[0], "complete", "whole", 1) for target in (HOME, OTHER)]
        found = ask(query, {**run, "snapshot_targets": targets})
        assert found == ([(owner[0], "AVAILABLE", arn_of(HOME, image))] if owner else [])


FOLDED: list[tuple[str | None, str | None]] = [
    (
        "User: arn:aws:sts::111122223333:assumed-role/x/i-0ab is not authorized to perform: "
        "s3:GetObject on resource: arn:aws-cn:s3:::b/key*",
        "User: <arn> is not authorized to perform: s3:GetObject on resource: <arn>",
    ),
    (
        "Workflow Execution ID 'wf-0b1c2d3e-1111-2222-3333-444455556666' failed",
        "Workflow Execution ID 'wf-<uuid>' failed",
    ),
    ("vol-0a1b2c3d4e5f60718 of i-0123456789abcdef0", "vol-<id> of i-<id>"),
    (
        "eu-west-1 at 2025-11-20T12:00:01.123Z, RequestID: 4442587FB7D0A2F9",
        "eu-west-1 at <time>, RequestID: <id>",
    ),
    ("at 2025-11-20 12:00:01 UTC or 12:00:01", "at <time> or <time>"),
    ("Nov 20 10:11:12 kernel: [ 12.345678] oom", "<time> kernel: [ <n>] oom"),
    ("from 10.0.0.1:443 or fe80::1 on ip-10-0-0-1", "from <ip>:<n> or <ip> on <ip>"),
    ("sha256:" + "ab12" * 16 + " is not 3.14", "sha256:<id> is not <n>"),
    ("took 12.5s of 30 s, (99%)\n\n retry", "took <n>s of <n> s, (<n>%) retry"),
    ("0x80240438 at 0x7ffdeadbeef0", "0x80240438 at <id>"),
    ("kernel 6.1.0-5.el9, v1.10.0", "kernel <n>.el9, v<n>"),
    (
        "Encoded authorization failure message: aB-c_1/x== denied",
        "Encoded authorization failure message: <id> denied",
    ),
    ("al2023 python3 CVE-2024-3094 std::string", "al2023 python3 CVE-2024-3094 std::string"),
    (None, None),
]


def test_what_differs_from_build_to_build_is_folded(ask: Any) -> None:
    """And what tells one failure from another stays."""
    builds = [
        build(HOME, DAYS[0], f"web/1.0.0/{number}", "FAILED", state_reason=message)
        for number, (message, _) in enumerate(FOLDED)
    ]
    query = "select example_message, error_pattern from failure_hotspots"
    assert dict(ask(query, whole_run(0, builds))) == dict(FOLDED)


def test_required_tags_are_those_of_the_newest_snapshot(parameters: Any, ask: Any) -> None:
    """As the run's own parameters write them, whatever is in a key; none required is none shown."""
    odd = ["Team", "Team", 'it\'s "odd" ü {}']
    told = parameters(required_tag=odd).to_json()
    assert json.loads(told)["required_tag"] == odd
    run = whole_run(0, [build(HOME, DAYS[0], "web/1.0.0/1", "AVAILABLE")])
    query = "select tag_key, is_required, build_count, tagged_count from tag_coverage order by all"
    assert ask(query, {**run, "snapshots": [{"parameters": told}]}) == [
        ("Team", True, 1, 0),
        (odd[2], True, 1, 0),
    ]
    assert ask(query, {**run, "snapshots": [{"parameters": parameters().to_json()}]}) == []
