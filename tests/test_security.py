"""What SECURITY.md promises and no other file tests."""

import ast
import re
import ssl
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from flows.terminal import printable
from tests.audit import RUN, listed, locked
from tests.command import Command
from tests.endpoint import DENIED, EVIL, EVIL_SHOWN, answering, is_harmless
from tests.hostile_lake import hostile_warehouse
from tests.test_quality import PROJECT, ROOMS

__all__ = ["hostile_warehouse"]  # fixtures are used by their names

HOME, EAST = ACCOUNTS[0], REGIONS[0]


# What comes from outside commands no terminal

SQL = 'from failed_builds; select name as "\x1b[31m" from current_builds limit 1; from current_tags'


@pytest.mark.parametrize(
    "asked",
    [
        ("status",),
        ("sql", SQL),
        ("sql", SQL, "--format", "json"),
        ("report", "--out", "\x1b[31m/report.html"),
    ],
    ids=lambda asked: " ".join(asked).encode("unicode_escape").decode(),
)
def test_what_a_lake_holds_commands_no_terminal(
    imagelake: Command, hostile_warehouse: Path, asked: tuple[str, ...]
) -> None:
    """JSON is ASCII; CSV alone is to the letter, and not on a terminal."""
    ended = imagelake(asked[0], *asked[1:], "--warehouse", str(hostile_warehouse))
    assert ended.stdout + ended.stderr
    assert is_harmless(ended.stdout + ended.stderr)


@pytest.mark.parametrize("command", ["run", "check"])
def test_what_an_endpoint_says_commands_no_terminal(
    imagelake: Command, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    assert emulator.accounts
    with answering({"message": EVIL}, 403, DENIED) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_IMAGEBUILDER", url)
        ended = imagelake(command, "--region", EAST)
    assert EVIL_SHOWN in ended.stdout + ended.stderr
    assert is_harmless(ended.stdout + ended.stderr)


# Names from outside


WRONG_REGIONS = ("evil.example/#", f"{EAST}/../x", EVIL, "x' or 1=1 --")


def test_a_region_s_name_from_outside_is_never_part_of_another_address(
    imagelake: Command, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ListRegions answers what it likes: a region that is none is a failed target, the others stand."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    for service in ("STS", "IMAGEBUILDER"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", emulator.url)
    listed = {"Regions": [{"RegionName": region} for region in (*WRONG_REGIONS, EAST)]}
    with answering(listed) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ACCOUNT", url)
        ended = imagelake("run", "--region", "all")
    assert ended.returncode == 3
    for region in WRONG_REGIONS:
        assert f"  {HOME}/{printable(region)} failed: Provided region_name '" in ended.stdout
    assert {call["region"] for call in emulator.requests() if call["region"]} == {EAST}
    assert is_harmless(ended.stdout + ended.stderr)


# TLS


@pytest.fixture
def untrusted(tmp_path: Path) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize("service", ["STS", "IMAGEBUILDER", "S3"])
def test_a_server_that_nobody_vouches_for_is_told_nothing(
    imagelake: Command,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    untrusted: ssl.SSLContext,
    service: str,
) -> None:
    lake = ("--lake", "s3://bucket/lake") if service == "S3" else ()
    with answering({}, tls=untrusted) as url:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", url)
        ended = imagelake("run", "--region", EAST, "--target-seconds", "2", *lake)
    assert ended.returncode in (1, 2)
    assert re.search(r"SSL validation failed|certificate verify failed", ended.stderr)
    assert emulator.url not in ended.stderr


def test_nothing_turns_verification_off() -> None:
    """No argument `verify` or `check_hostname`, no context that does without, no `CERT_NONE`."""
    wrong = {"_create_unverified_context", "CERT_NONE", "disable_warnings"}
    found = [
        f"{path.relative_to(PROJECT)}:{node.lineno}"
        for room in ROOMS
        for path in (PROJECT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.keyword) and node.arg in {"verify", "check_hostname", "use_ssl"})
        or (isinstance(node, ast.Attribute) and node.attr in wrong)
    ]
    assert found == []


# Servers


def listening(pid: int) -> set[str]:
    """The addresses that a process listens on, as Linux tells them."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        if match := re.fullmatch(r"socket:\[([0-9]+)\]", str(descriptor.readlink())):
            inodes.add(match[1])
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                host = bytes.fromhex(fields[1].partition(":")[0])
                addresses.add(str(ip_address(host[::-1] if len(host) == 4 else host)))
    return addresses


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="/proc is Linux's")
def test_the_emulator_listens_on_loopback_alone(start_emulator: Callable[..., Emulator]) -> None:
    assert listening(start_emulator().process.pid) == {"127.0.0.1"}


# The document


def test_every_test_that_the_document_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (PROJECT / "SECURITY.md").read_text("utf-8")))
    there = {
        node.name
        for path in (PROJECT / "tests").glob("test_*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    files = {path.stem for path in (PROJECT / "tests").glob("test_*.py")}
    assert named - there - files == set()
    assert len(named) > 20


def test_the_kept_list_is_that_of_the_lock() -> None:
    """`make audit` brings it up to date."""
    kept = [dependency[:3] for dependency in listed()]
    assert kept == [dependency[:3] for dependency in locked("today")]
    assert {"boto3", "duckdb", "pyarrow"} <= {name for name, _, used in kept if used == RUN}
    assert all(date.fromisoformat(dependency.since) for dependency in listed())
