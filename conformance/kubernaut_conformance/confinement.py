"""The confinement of an action's container, read from the generic Task, as options of the Docker engine.

The kit runs images under it, and so does the local engine (`kubernaut run --engine docker`): what holds in a cluster is
written once, in the Task's YAML. A field of the Task's securityContext that is not translated here is refused, so that
none can be added to the Task alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from kubernaut_sdk.quantities import parse_quantity
from kubernaut_sdk.yamlreading import read_yaml

__all__ = ["Confinement", "confinement_of", "generic_task"]

Json = Mapping[str, Any]

_TOKEN = "data-storage-token"  # noqa: S105 – the name of a volume
_TRANSLATED = {
    "allowPrivilegeEscalation",
    "capabilities",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seccompProfile",
}


@dataclass(frozen=True)
class Confinement:
    """The confinement of the Task's one container.

    Attributes:
        command: The program that it runs.
        env: The variables that are the same for every step, such as HOME.
        user: The uid.
        group: The gid.
        memory: Its limit in bytes; None for no limit.
        scratch: The writable folders, of the size in bytes.
        results: The folder of the result files.
        secrets: The folder of the step's Secret, read-only.
        token_folder: The folder of the token for Data Storage, which only a kubelet can mount.
        dropped: The capabilities that are dropped.
    """

    command: tuple[str, ...]
    env: Mapping[str, str]
    user: int
    group: int
    memory: int | None
    scratch: Mapping[str, int]
    results: str
    secrets: str
    token_folder: str
    dropped: tuple[str, ...]

    def docker_options(
        self,
        *,
        user: int | None = None,
        group: int | None = None,
        memory: int | None = None,
        read_only: bool = True,
    ) -> dict[str, Any]:
        """Return options for `containers.create` of Docker's client: all but image, arguments, mounts and network.

        Args:
            user: Another uid, such as that of the person who runs it, to whom the results then belong.
            group: Another gid.
            memory: Another limit in bytes, such as the step's own.
            read_only: False for a writable root, to find out if an image needs one.
        """
        uid = self.user if user is None else user
        gid = self.group if group is None else group
        options = f"rw,nosuid,nodev,uid={uid},gid={gid},mode=0700"
        limit = self.memory if memory is None else memory
        return {
            "entrypoint": list(self.command),
            "user": f"{uid}:{gid}",
            "read_only": read_only,
            "tmpfs": {folder: f"{options},size={size}" for folder, size in self.scratch.items()},
            "cap_drop": list(self.dropped),
            "security_opt": ["no-new-privileges"],  # Docker's default seccomp profile is Kubernetes' RuntimeDefault
            **({"mem_limit": limit} if limit is not None else {}),
        }


@cache
def generic_task() -> Json:
    """Return the Task `kubernaut-action` of this version, as JSON."""
    task: Json = read_yaml((files("kubernaut_conformance") / "kubernaut-action.yaml").read_text(encoding="utf-8"))
    return task


def confinement_of(task: Json) -> Confinement:
    """Return the confinement of a Task's one step.

    Args:
        task: The Task.

    Raises:
        ValueError: for a field of the security context, or a volume, that is not translated.
    """
    [step] = task["spec"]["steps"]
    security = step["securityContext"]
    required = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    unknown = sorted(set(security) - _TRANSLATED | set(security["capabilities"]) - {"drop"})
    loose = sorted(name for name, value in required.items() if security.get(name) != value)
    if unknown or loose:
        fault = f"it has {', '.join(unknown)}" if unknown else f"it loosens {', '.join(loose)}"
        raise ValueError(f"the Task's securityContext is not translated for Docker: {fault}")
    mounts = {mount["name"]: mount["mountPath"] for mount in step["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in task["spec"]["volumes"]}
    token_folder = mounts.pop(_TOKEN)
    others = sorted(name for name in mounts if "emptyDir" not in volumes[name])
    if others:
        raise ValueError(f"the Task's volumes are not translated for Docker: {', '.join(others)}")
    env = {item["name"]: item["value"] for item in step["env"] if "$(" not in item.get("value", "$(")}
    token_variables = {name for name, value in env.items() if value.startswith(token_folder)}
    [workspace] = task["spec"]["workspaces"]
    return Confinement(
        command=tuple(step["command"]),
        env={name: value for name, value in env.items() if name not in token_variables},
        user=security["runAsUser"],
        group=security["runAsGroup"],
        memory=_bytes(step["computeResources"]["limits"].get("memory")),
        scratch={mounts[name]: _bytes(volumes[name]["emptyDir"]["sizeLimit"]) or 0 for name in mounts},
        results=env["RESULTS_DIR"],
        secrets=workspace["mountPath"],
        token_folder=token_folder,
        dropped=tuple(security["capabilities"]["drop"]),
    )


def _bytes(quantity: Any) -> int | None:
    size = parse_quantity(quantity)
    return None if size is None else int(size)
