"""The names of images, by the grammar of the OCI distribution specification and github.com/distribution/reference."""

import re
from dataclasses import dataclass, replace

from kubernaut_sdk import InvalidInputs
from kubernaut_sdk.portable import shorten

__all__ = ["Reference", "parse_reference"]

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<registry>(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:\d))(?::\d+)?|\[[0-9a-f:]+\](?::\d+)?)/)?"
    rf"(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_USERINFO = re.compile(r"^(\w+://)?[^/@]+@(?!sha\d+:)")
"""A user and a password before a host, which no name of an image has; messages do not show them."""


@dataclass(frozen=True)
class Reference:
    """The name of an image.

    Attributes:
        registry: The host and port; empty for Docker Hub.
        path: The repository within the registry.
        tag: The tag, or None.
        digest: The digest `sha256:…`, or None.
    """

    registry: str
    path: str
    tag: str | None = None
    digest: str | None = None

    @property
    def repository(self) -> str:
        """The registry and the path."""
        return f"{self.registry}/{self.path}" if self.registry else self.path

    def with_digest(self, digest: str) -> "Reference":
        """Return the name of the image with a digest in the same repository."""
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


def parse_reference(text: str) -> Reference:
    """Return the parts of a name.

    Raises:
        InvalidInputs: if it is not a name of an image; the message proposes one.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        hint = f", such as {text.lower()}" if _REFERENCE.fullmatch(text.lower()) else ""
        form = "[REGISTRY/]PATH[:TAG]" + (f" without {text.partition('://')[0]}://" if "://" in text else "")
        shown = shorten(_USERINFO.sub(r"\1***@", text))
        raise InvalidInputs(f"{shown} is no name of an image; write {form}, the path in lower case{hint}.")
    return Reference(match["registry"] or "", match["path"], match["tag"], match["digest"])
