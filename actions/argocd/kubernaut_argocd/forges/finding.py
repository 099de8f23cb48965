"""The forge of a repository, from its address or from what the action's user says."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from kubernaut_argocd._address import well_formed
from kubernaut_argocd._credentials import read_authority
from kubernaut_argocd._http import HttpApi
from kubernaut_argocd.forges.forge import Forge
from kubernaut_argocd.forges.gitea import Gitea
from kubernaut_argocd.forges.github import GitHub
from kubernaut_argocd.forges.gitlab import GitLab
from kubernaut_sdk import ActionError, Context, InvalidInputs, PreconditionFailed

__all__ = ["ApiAddress", "ForgeKind", "find_forge"]

ForgeKind = Annotated[
    Literal["auto", "github", "gitlab", "gitea"],
    Field(description="The forge's software; gitea also for Forgejo; auto finds it from the address, or asks it."),
]
ApiAddress = Annotated[
    str | None,
    Field(
        pattern=r"^https?://[^\s@?#]+$",
        max_length=2048,
        description="The forge's API, where it does not follow from the repository's address, such as "
        "https://git.example.com/api/v1.",
    ),
    AfterValidator(well_formed),
]

_HOSTED = {"github.com": "github", "ssh.github.com": "github", "gitlab.com": "gitlab", "codeberg.org": "gitea"}
_NAMES = {"github": "github", "gitlab": "gitlab", "gitea": "gitea", "forgejo": "gitea"}
_PATHS = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1"}
_CLASSES: dict[str, type[Forge]] = {"github": GitHub, "gitlab": GitLab, "gitea": Gitea}
_RIGHTS = {
    "github": "read and write of contents and pull requests, read of checks and commit statuses",
    "gitlab": "the scopes api and write_repository, and the role Developer",
    "gitea": "read and write of repository and issue",
}
_SCP = re.compile(r"(?:[^/@:]+@)?(?P<host>[^/@:]+):(?P<path>[^/].*)")


def find_forge(ctx: Context, repository: str, kind: str, api: str | None) -> Forge:
    """Return a repository's forge.

    Args:
        ctx: The context with the secrets.
        repository: Its address, as git takes it.
        kind: The software, or `auto`.
        api: The address of the API, or None.

    Raises:
        InvalidInputs: if the address has no owner and name, or is a path on this machine and `api` is not given.
        PreconditionFailed: if the forge's software cannot be found out, or the Secret has no token.
    """
    web, host, path = _parts(repository)
    name = re.sub(r"\.git/?$", "", path.strip("/"))
    if web is None and api is None:
        raise InvalidInputs(f"repository {repository}: no forge is at this address; name its API, as api.")
    if "/" not in name:
        raise InvalidInputs(f"repository {repository}: the address has no owner and name, as https://host/owner/name.")
    authority = read_authority(ctx)
    shown = f"the forge at {urlsplit(api).netloc if api else host}"
    if kind == "auto":
        kind = _guess(host) or _probe(HttpApi(ctx, shown, api or web or "", authority=authority), api)
    if kind != "gitlab":
        name = "/".join(name.split("/")[-2:])
    base = api.rstrip("/") if api else _api_of(kind, web or "", host)
    headers = _token(ctx, kind)
    return _CLASSES[kind](HttpApi(ctx, shown, base, headers, _RIGHTS[kind], authority), name)


def _parts(repository: str) -> tuple[str | None, str, str]:
    """Return the web address of the forge (None for a path on this machine), its host, and the repository's path."""
    if repository.startswith(("/", "file:")):
        return None, "", repository.removeprefix("file://")
    if "://" not in repository:
        match = _SCP.fullmatch(repository)
        return (f"https://{match['host']}", match["host"], match["path"]) if match else (None, "", repository)
    parts = urlsplit(repository)
    host = parts.hostname or ""
    if parts.scheme in {"http", "https"}:
        return f"{parts.scheme}://{parts.netloc}", host, parts.path
    web = f"https://{host}" if "ssh" in parts.scheme else None  # ssh's port is not that of the API
    return web, host, parts.path


def _guess(host: str) -> str | None:
    if host in _HOSTED:
        return _HOSTED[host]
    labels = host.split(".")
    return next((kind for word, kind in _NAMES.items() if any(word in label.split("-") for label in labels)), None)


def _api_of(kind: str, web: str, host: str) -> str:
    return "https://api.github.com" if host in {"github.com", "ssh.github.com"} else f"{web}{_PATHS[kind]}"


def _probe(api: HttpApi, given: str | None) -> str:
    """Return the software that answers at an address, asked without a token."""
    if given is not None and (known := next((kind for kind, end in _PATHS.items() if given.endswith(end)), None)):
        return known
    for kind, path in (("gitea", "/api/v1/version"), ("gitlab", "/api/v4/version"), ("github", "/api/v3/meta")):
        try:
            reply = api.call("GET", path, expected=(401,))
        except ActionError as error:
            if error.reason == "Unreachable":
                raise
            continue
        document: Mapping[str, object] = reply.document if isinstance(reply.document, dict) else {}
        if "version" in document or "installed_version" in document or (kind == "gitlab" and reply.status == 401):
            return kind
    raise PreconditionFailed(
        f"it is not known which software {api.name} is; say it, as forge: github, gitlab or gitea.",
        reason="ForgeUnknown",
    )


def _token(ctx: Context, kind: str) -> dict[str, str]:
    name = next((name for name in ("token", "password") if ctx.secret_path(name) is not None), None)
    if name is None:
        raise PreconditionFailed(
            f"the step's Secret has no token (key token, or password) for the forge; make one with "
            f"{_RIGHTS[kind]}, and name the Secret by the step's secretName.",
            reason="SecretMissing",
        )
    token = ctx.secret(name)
    if kind == "gitea":
        return {"authorization": f"token {token}"}
    headers = {"authorization": f"Bearer {token}"}
    return headers | {"x-github-api-version": "2022-11-28"} if kind == "github" else headers
