"""Names, origin, build command and labels of images."""

import json
import subprocess
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from kubernaut_cli.images.build import BuildRequest, build_command
from kubernaut_cli.images.origin import Origin, read_origin, web_address
from kubernaut_cli.images.reference import Reference, parse_reference
from kubernaut_cli.images.stamp import make_labels, read_spec
from kubernaut_conformance.runtime import CompletedRun
from kubernaut_conformance.spec import LABEL
from kubernaut_sdk import InvalidInputs

from .conftest import SPEC

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("flags", Reference("", "flags")),
        ("flags:1.0", Reference("", "flags", "1.0")),
        ("you/flags", Reference("", "you/flags")),
        ("localhost/you/flags:dev", Reference("localhost", "you/flags", "dev")),
        ("127.0.0.1:5000/flags", Reference("127.0.0.1:5000", "flags")),
        ("registry:5000/flags:1", Reference("registry:5000", "flags", "1")),
        ("[::1]:5000/flags", Reference("[::1]:5000", "flags")),
        (f"ghcr.io/you/feature-flags@{DIGEST}", Reference("ghcr.io", "you/feature-flags", None, DIGEST)),
        (f"ghcr.io/you/a__b.c:1@{DIGEST}", Reference("ghcr.io", "you/a__b.c", "1", DIGEST)),
    ],
)
def test_a_name_is_read_and_written_the_same(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference
    assert str(reference) == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ghcr.io/You/Flags", "such as ghcr.io/you/flags"),
        ("", "write [REGISTRY/]PATH[:TAG]"),
        ("a b", "write"),
        ("--privileged", "write"),
        ("flags:", "write"),
        ("flags@sha256:12", "write"),
        ("flags\n", "write"),
    ],
)
def test_an_invalid_name_is_refused_with_a_valid_one(text: str, sentence: str) -> None:
    with pytest.raises(InvalidInputs, match="is no name of an image") as caught:
        parse_reference(text)
    assert sentence in caught.value.message


@pytest.mark.parametrize("text", ["https://me:hunter2@ghcr.io/you/x", "me:hunter2@ghcr.io/x:1", "hunter2@Ghcr.io"])
def test_a_password_in_what_is_no_name_is_not_shown(text: str) -> None:
    with pytest.raises(InvalidInputs, match=r"\*\*\*@[Gg]hcr\.io") as caught:
        parse_reference(text)
    assert "hunter2" not in str(caught.value)


def test_a_wrong_digest_is_shown_whole() -> None:
    with pytest.raises(InvalidInputs, match=r"^x:1@sha256:12 is no name of an image"):
        parse_reference("x:1@sha256:12")


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("git@github.com:You/Flags.git", "https://github.com/You/Flags"),
        ("ssh://git@github.com:22/you/flags.git", "https://github.com/you/flags"),
        ("https://you:token@github.com/you/flags", "https://github.com/you/flags"),
        ("https://git.example.com/a/b/c.git/", "https://git.example.com/a/b/c"),
        ("/srv/git/flags.git", None),
        ("file:///srv/git/flags.git", None),
        ("../flags", None),
    ],
)
def test_the_source_is_an_address_for_browsers_without_its_secrets(remote: str, address: str | None) -> None:
    assert web_address(remote) == address


def test_github_repositories_are_known_in_the_lower_case_that_registries_want() -> None:
    assert Origin(source="https://github.com/You/Flags").github == "you/flags"
    assert Origin(source="https://git.example.com/you/flags").github is None
    assert Origin().github is None


def test_the_revision_says_whether_files_differ_from_it(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        settings = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
        return subprocess.run(
            ["git", "-C", str(tmp_path), *settings, *words], check=True, capture_output=True
        ).stdout.decode()

    assert read_origin(tmp_path) == Origin()
    git("init", "--quiet")
    assert read_origin(tmp_path) == Origin()
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    git("add", ".")
    git("commit", "--quiet", "--message=first")
    git("remote", "add", "origin", "git@github.com:you/flags.git")
    head = git("rev-parse", "HEAD").strip()
    assert read_origin(tmp_path) == Origin(head, "https://github.com/you/flags")
    (tmp_path / "Dockerfile").write_text("FROM other\n")
    assert read_origin(tmp_path) == Origin(f"{head}-dirty", "https://github.com/you/flags")


def test_values_are_never_taken_for_options() -> None:
    request = BuildRequest(Path("-x"), arguments={"BASE": "--privileged"}, platform="linux/arm64")

    assert build_command("docker", request, Path("/id"), load=False) == [
        "docker", "build", "--file=-x/Dockerfile", "--iidfile=/id", "--build-arg=BASE=--privileged",
        "--platform=linux/arm64", "--force-rm", "--", "-x",
    ]  # fmt: skip
    with_buildx = build_command("docker", request, Path("/id"), load=True)
    assert "--load" in with_buildx
    assert "--force-rm" not in with_buildx


class FakeImage:
    """An image that prints a given spec."""

    name = "flags"

    def __init__(self, exit_code: int, stdout: str, stderr: str = "") -> None:
        self.ended = CompletedRun(exit_code, stdout, stderr, {}, 0.0)

    def ask(self, *verb: str) -> CompletedRun:
        assert verb == ("spec",)
        return self.ended


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            FakeImage(127, "", "no such file"),
            "flags has no program kubernaut-action on its PATH that can be started",
        ),
        (FakeImage(1, "", "ImportError: no flags"), "`kubernaut-action spec` ended with 1: ImportError: no flags"),
        (FakeImage(1, ""), "`kubernaut-action spec` ended with 1: and said nothing"),
        (FakeImage(0, "not JSON"), "its spec is not valid: it is not JSON"),
        (
            FakeImage(0, '{"contract": "1", "actions": []}'),
            "its spec is not valid: actions: list should have at least 1",
        ),
        (
            FakeImage(0, json.dumps({**SPEC, "actions": [{**SPEC["actions"][0], "examples": [{"off": True}]}]})),
            "its spec is not valid: feature/set_flag: examples[0] is not valid",
        ),
    ],
)
def test_an_image_without_a_valid_spec_is_refused(image: FakeImage, message: str) -> None:
    with pytest.raises(InvalidInputs) as caught:
        read_spec(image)
    assert message in caught.value.message


def test_the_spec_is_kept_to_the_byte_and_git_knows_better_than_the_base_image() -> None:
    text = json.dumps(SPEC, indent=3)
    printed = read_spec(FakeImage(0, text))
    base = {"org.opencontainers.image.revision": "the base image's", "org.opencontainers.image.version": "13"}
    created = datetime(2026, 1, 1, tzinfo=UTC)

    assert printed.content == text.encode()
    assert make_labels(printed, base, Origin("abc"), title="flags", created=created) == {
        "org.opencontainers.image.created": "2026-01-01T00:00:00.000000Z",
        "org.opencontainers.image.revision": "abc",
        "org.opencontainers.image.title": "flags",
        "org.opencontainers.image.version": "13",
        LABEL: f"sha256:{sha256(text.encode()).hexdigest()}",
    }
