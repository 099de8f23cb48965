"""How git is told the credentials of the mounted Secret: through files and variables, never in its arguments.

Called for each clone by `kubernaut_argocd._git`. The keys are those of Kubernetes' own types of Secrets,
`kubernetes.io/basic-auth` and `kubernetes.io/ssh-auth`.
"""

import base64
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from kubernaut_sdk import Context

__all__ = ["credentials"]


def credentials(ctx: Context, repository: str, folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """The variables that git needs.

    Args:
        ctx: Has the secrets.
        repository: A password goes to this server only, so that a redirect to another does not carry it along.
        folder: Where a key is copied, readable by nobody else, as ssh wants it.
        settings: More of git's configuration to pass the same way.
    """
    configuration, env = dict(settings), {}
    if ctx.secret_path("password") is not None:
        username = ctx.secret("username") if ctx.secret_path("username") else "git"
        header = base64.b64encode(f"{username}:{ctx.secret('password')}".encode()).decode()
        ctx.mask(header)
        server = urlsplit(repository)
        name = f"http.{server.scheme}://{server.netloc.rpartition('@')[2]}/.extraHeader"
        configuration[name] = f"Authorization: Basic {header}"
    if (key := ctx.secret_path("ssh-privatekey")) is not None:
        private = folder / "key"
        private.touch(mode=0o600)
        private.write_text(key.read_text().rstrip() + "\n")  # ssh refuses a key whose last line has no end
        known = ctx.secret_path("known_hosts") or Path("/dev/null")
        options = ["StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "BatchMode=yes", "ConnectTimeout=10"]
        words = ["ssh", "-i", str(private), *(f"-o{option}" for option in options), f"-oUserKnownHostsFile={known}"]
        env["GIT_SSH_COMMAND"] = shlex.join(words)
    for number, (name, value) in enumerate(configuration.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return {**env, "GIT_CONFIG_COUNT": str(len(configuration))}
