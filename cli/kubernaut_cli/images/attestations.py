"""What speaks for a published image: its bill of materials (syft) and its signature (cosign), by programs on PATH."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from kubernaut_sdk import Failed, PreconditionFailed

__all__ = ["attest_command", "require_program", "sbom_command", "sign", "sign_command", "write_sbom"]

_WHERE = {
    "cosign": "https://docs.sigstore.dev/cosign/system_config/installation",
    "syft": "https://github.com/anchore/syft#installation",
}


def require_program(program: str, purpose: str) -> None:
    """Looks whether a program is there.

    Raises:
        PreconditionFailed: if it is not, with where to get it.
    """
    if shutil.which(program) is None:
        raise PreconditionFailed(
            f"{purpose} takes {program}, which is not on PATH; install it ({_WHERE[program]}). Nothing was published.",
            reason="NoTool",
        )


def sbom_command(image: str, name: str, file: Path) -> list[str]:
    """The argument vector that writes the SPDX bill of materials of an image in the engine.

    Args:
        image: Its name or id in the engine.
        name: What the document shall call it.
        file: Where it is written.
    """
    return ["syft", "scan", f"--output=spdx-json={file}", f"--source-name={name}", "--quiet", "--", f"docker:{image}"]


def sign_command(reference: str, key: str | None, *, ask: bool) -> list[str]:
    """The argument vector that signs an image by digest: without a key keyless, by an OpenID identity."""
    return ["cosign", "sign", *_signer(key, ask=ask), "--", reference]


def attest_command(reference: str, bill: Path, key: str | None, *, ask: bool) -> list[str]:
    """The argument vector that attaches a bill of materials to an image by digest, signed."""
    return ["cosign", "attest", "--type=spdxjson", f"--predicate={bill}", *_signer(key, ask=ask), "--", reference]


def write_sbom(image: str, name: str, file: Path) -> None:
    """Writes it.

    Raises:
        Failed: if syft cannot.
    """
    code = _run(sbom_command(image, name, file))
    if code != 0 or not file.is_file():
        raise Failed(f"syft ended with {code}, see above; nothing was published. Leave it out with --no-sbom.")


def sign(reference: str, bill: Path | None, key: str | None) -> None:
    """Signs an image, and its bill of materials where there is one.

    Raises:
        Failed: if cosign cannot; the image is published by then, and the message says so.
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
    # what is signed keyless becomes public in a log: whoever sits at a terminal is asked by cosign
    return [*([] if ask else ["--yes"]), *([f"--key={key}"] if key else [])]


def _run(command: list[str]) -> int:
    """Standard output is for the digest alone: what the program says goes to standard error."""
    env = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    return subprocess.run(command, stdout=sys.stderr.fileno(), env=env, check=False).returncode
