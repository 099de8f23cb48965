"""The files of a mounted Secret, which the masker must hide."""

from pathlib import Path

from kubernaut_sdk.errors import PreconditionFailed
from kubernaut_sdk.masking import Masker

__all__ = ["PUBLIC_FILES", "learn_files"]

PUBLIC_FILES = frozenset({"ca.crt", "known_hosts", "namespace", "ssh-publickey", "tls.crt", "username"})
"""Keys of Secrets that hold nothing secret, by Kubernetes' own conventions (basic-auth, tls, ssh-auth, service account
tokens) and Flux's: hiding them would hide ordinary words everywhere."""


def learn_files(folder: Path, masker: Masker) -> None:
    """Hide the content of every file of a mounted Secret. Kubernetes' own links (`..data`) are skipped.

    Raises:
        PreconditionFailed: if a file cannot be read, since its content could not be hidden.
    """
    if not folder.is_dir():
        return
    unreadable: PreconditionFailed | None = None
    for path in sorted(folder.iterdir()):
        if path.name.startswith("..") or path.name in PUBLIC_FILES or not path.is_file():
            continue
        try:
            masker.add(path.read_bytes())
        except OSError as error:
            unreadable = unreadable or PreconditionFailed(
                f"the secret file {path.name} in {folder} cannot be read: {error.strerror}; make it readable for the "
                f"user of the step (65532).",
                reason="SecretUnreadable",
            )
    if unreadable is not None:  # raised last, so that its own message is masked by all the others
        raise unreadable
