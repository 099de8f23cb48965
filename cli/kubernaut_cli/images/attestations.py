"""The bill of materials (syft) and the signature (cosign) of a published image, made by programs on PATH."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from kubernaut_sdk import Failed, PreconditionFailed

__all__ = ["attest_command", "require_program", "sbom_command", "sign", "sign_command", "write_sbom"]

_INSTALL_PAGES = {
    "cosign": "https://docs.sigstore.dev/cosign/system_config/installation",
    "syft": "https://github.com/anchore/syft#installation",
}


def require_program(program: str, purpose: str) -> None:
    """Raise unless a program is on PATH.

    Raises:
        PreconditionFailed: if it is not; the message says where to get it.
    """
    if shutil.which(program) is None:
        raise PreconditionFailed(
            f"{purpose} takes {program}, which is not on PATH; install it ({_INSTALL_PAGES[program]}). "
            f"Nothing was published.",
            reason="NoTool",
        )


def sbom_command(image: str, name: str, file: Path) -> list[str]:
    """Return the argument vector that writes the SPDX bill of materials of an image in the engine.

    Args:
        image: Its name or id in the engine.
        name: The image's name in the document.
        file: The file to write.
    """
    return ["syft", "scan", f"--output=spdx-json={file}", f"--source-name={name}", "--quiet", "--", f"docker:{image}"]


def sign_command(reference: str, key: str | None, *, ask: bool) -> list[str]:
    """Return the argument vector that signs an image by digest; without a key it signs by an OpenID identity."""
    return ["cosign", "sign", *_signer(key, ask=ask), "--", reference]


def attest_command(reference: str, bill: Path, key: str | None, *, ask: bool) -> list[str]:
    """Return the argument vector that attaches a signed bill of materials to an image by digest."""
    return ["cosign", "attest", "--type=spdxjson", f"--predicate={bill}", *_signer(key, ask=ask), "--", reference]


def write_sbom(image: str, name: str, file: Path) -> None:
    """Write the bill of materials of an image in the engine.

    Raises:
        Failed: if syft cannot.
    """
    code = _run(sbom_command(image, name, file))
    if code != 0 or not file.is_file():
        raise Failed(f"syft ended with {code}, see above; nothing was published. Leave it out with --no-sbom.")


def sign(reference: str, bill: Path | None, key: str | None) -> None:
    """Sign a published image, and attach its bill of materials if there is one.

    Raises:
        Failed: if cosign fails. The image is published already; the message says so.
    """
    ask = sys.stdin is not None and sys.stdin.isatty()
    commands = [sign_command(reference, key, ask=ask)]
    commands += [attest_command(reference, bill, key, ask=ask)] if bill else []
    for command in commands:
        if (code := _run(command)) != 0:
            raise Failed(
                f"cosign {command[1]} ended with {code}, see above. {reference} is published all the same, without "
                f"what cosign should have added."
            )


def _signer(key: str | None, *, ask: bool) -> list[str]:
    # a keyless signature is logged in public: at a terminal, cosign asks before it signs
    return [*([] if ask else ["--yes"]), *([f"--key={key}"] if key else [])]


def _run(command: list[str]) -> int:
    """Run a program with its output on standard error, since standard output is for the digest alone."""
    env = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    return subprocess.run(command, stdout=sys.stderr.fileno(), env=env, check=False).returncode
