"""The two substitutions between a PipelineRun and a container: Tekton's `$(…)` and Kubernetes' `$(VAR)`.

Neither has an escape for values, there or here: a PipelineRun must not have `$` in its values.
Tekton's rules: https://tekton.dev/docs/pipelines/variables/, Kubernetes': `Container.args` and `EnvVar.value` in
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Container.
"""

import re
from collections.abc import Mapping, Sequence

__all__ = ["expand", "references", "replace", "replace_array"]

_REFERENCE = re.compile(r"\$\(([^()$]+)\)")
_KUBERNETES = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")


def references(text: str) -> list[str]:
    """Return the names within `$(…)`."""
    return _REFERENCE.findall(text)


def replace(text: str, values: Mapping[str, str]) -> str:
    """Return the text with each `$(name)` that has a value replaced, in one pass; others stay as they are."""
    return _REFERENCE.sub(lambda match: values.get(match[1], match[0]), text)


def replace_array(items: Sequence[str], values: Mapping[str, str], arrays: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the texts with references replaced; an item that is just `$(name[*])` becomes the items of that array."""
    result: list[str] = []
    for item in items:
        match = _REFERENCE.fullmatch(item)
        if match and match[1].endswith("[*]") and match[1][:-3] in arrays:
            result += arrays[match[1][:-3]]
        else:
            result.append(replace(item, values))
    return result


def expand(text: str, env: Mapping[str, str]) -> str:
    """Return a variable or argument as the kubelet expands it: `$(VAR)` replaced, `$$` turned into `$`."""
    return _KUBERNETES.sub(lambda match: "$" if match[0] == "$$" else env.get(match[1], match[0]), text)
