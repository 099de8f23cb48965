"""Credentials for git from the mounted Secret, passed in files and variables, never as arguments.

Used for each clone by `kubernaut_argocd._git`. The keys are those of Kubernetes' own Secret types,
`kubernetes.io/basic-auth` and `kubernetes.io/ssh-auth`, and `ca.crt`, which many tools use.
"""

import base64
import binascii
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kubernaut_sdk import Context, PreconditionFailed

__all__ = ["GitAccess", "git_access", "read_authority"]

_OPENSSH = b"openssh-key-v1\0"


@dataclass(frozen=True)
class GitAccess:
    """The credentials and settings that git runs with.

    Attributes:
        env: The environment variables for git, with the credentials.
        password: True if the Secret has a password, or a token in its place.
        key: True if it has an ssh key.
        known_hosts: True if it has host keys of servers.
        authority: True if it has a certificate authority.
        proxy: The host and port of the proxy in the environment; empty if there is none.
    """

    env: Mapping[str, str]
    password: bool
    key: bool
    known_hosts: bool
    authority: bool
    proxy: str


def git_access(
    ctx: Context, repository: str, folder: Path, settings: Mapping[str, str], env: Mapping[str, str]
) -> GitAccess:
    """Return the credentials and settings with which git opens a repository.

    Args:
        ctx: The context with the secrets.
        repository: The address. A password is sent to this server only.
        folder: The folder for a copy of the key that only this user can read, as ssh demands.
        settings: Further git configuration.
        env: Further environment variables.

    Raises:
        PreconditionFailed: if the key has a passphrase, or `ca.crt` holds no certificate.
    """
    configuration = dict(settings)
    key, known = map(ctx.secret_path, ("ssh-privatekey", "known_hosts"))
    password = next((name for name in ("password", "token") if ctx.secret_path(name) is not None), None)
    authority = read_authority(ctx)
    if password is not None:
        username = ctx.secret("username") if ctx.secret_path("username") else "git"
        header = base64.b64encode(f"{username}:{ctx.secret(password)}".encode()).decode()
        ctx.mask(header)
        server = urlsplit(repository)
        name = f"http.{server.scheme}://{server.netloc.rpartition('@')[2]}/.extraHeader"
        configuration[name] = f"Authorization: Basic {header}"
    if authority is not None:
        configuration["http.sslCAInfo"] = str(authority)
    own = {f"GIT_CONFIG_KEY_{number}": name for number, name in enumerate(configuration)}
    own |= {f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(configuration.values())}
    own |= {"GIT_CONFIG_COUNT": str(len(configuration)), "GIT_SSH_COMMAND": shlex.join(_ssh(key, known, folder))}
    return GitAccess(
        {**env, **own},
        password=password is not None,
        key=key is not None,
        known_hosts=known is not None,
        authority=authority is not None,
        proxy=_proxy(repository),
    )


def read_authority(ctx: Context) -> Path | None:
    """Return the path of the Secret's certificate authority, or None if it has none.

    Raises:
        PreconditionFailed: if `ca.crt` holds no certificate.
    """
    authority = ctx.secret_path("ca.crt")
    if authority is not None and "-----BEGIN " not in authority.read_text(errors="replace"):
        raise PreconditionFailed(
            "the ca.crt of the step's Secret holds no certificate in PEM (-----BEGIN CERTIFICATE-----).",
            reason="AuthorityUnreadable",
        )
    return authority


def _ssh(key: Path | None, known: Path | None, folder: Path) -> list[str]:
    """Return the ssh command: it never prompts, and connects only to servers whose host key is known."""
    words = ["ssh"]
    options = ["StrictHostKeyChecking=yes", "BatchMode=yes", "ConnectTimeout=10"]
    if key is not None:
        text = key.read_text()
        if _locked(text):
            raise PreconditionFailed(
                "the ssh-privatekey of the step's Secret is locked with a passphrase, and nobody is there to type it; "
                "put a key without one into the Secret (ssh-keygen -p removes it from a copy).",
                reason="KeyLocked",
            )
        private = folder / "key"
        private.touch(mode=0o600)
        private.write_text(text.rstrip() + "\n")  # ssh refuses a key whose last line has no end
        words += ["-i", str(private)]
        options.append("IdentitiesOnly=yes")
    if key is not None or known is not None:
        options.append(f"UserKnownHostsFile={known or '/dev/null'}")
    return [*words, *(f"-o{option}" for option in options)]


def _locked(key: str) -> bool:
    """Return True if a private key has a passphrase. ssh's own message does not say so."""
    if "ENCRYPTED" in key:  # PEM and PKCS #8
        return True
    body = "".join(line for line in key.splitlines() if line and not line.startswith("-----"))
    try:
        data = base64.b64decode(body)
    except (binascii.Error, ValueError):
        return False
    size = int.from_bytes(data[len(_OPENSSH) : len(_OPENSSH) + 4], "big")
    cipher = data[len(_OPENSSH) + 4 : len(_OPENSSH) + 4 + size]
    return data.startswith(_OPENSSH) and cipher != b"none"


def _proxy(repository: str) -> str:
    """Return the proxy from the environment for an address, without its user and password."""
    scheme = urlsplit(repository).scheme if "://" in repository else ""
    # curl reads only the lower-case http_proxy: a CGI script's environment could be set by its caller
    names = {"http": ["http_proxy"], "https": ["https_proxy", "HTTPS_PROXY"]}.get(scheme)
    for name in [*names, "all_proxy", "ALL_PROXY"] if names else []:
        if address := os.environ.get(name):
            return address.rpartition("@")[2].rpartition("//")[2].rstrip("/")
    return ""
