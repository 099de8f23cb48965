"""What one run did, and whether a secret shows in it."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubernaut_conformance.runtime import CompletedRun
from kubernaut_conformance.target_proxy import RecordedRequest
from kubernaut_sdk.errors import InvalidInputs
from kubernaut_sdk.portable import loads
from kubernaut_sdk.secrets.decodings import decodings_of

__all__ = ["ObservedRun"]

_URL_SAFE = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, kw_only=True)
class ObservedRun:
    """What one run did.

    Attributes:
        description: The run, as a report tells it.
        completed: The container's end.
        events: What it told the store, as it came.
        record: What the store made of it, or None.
        record_id: The id it was given.
        before: The world's state before it.
        held: The world's state while the store's answer to `applying` was held back, where it was.
        after: The world's state after it.
        requests: The requests that it made to its target.
        secrets: What must show nowhere.
    """

    description: str
    completed: CompletedRun
    events: tuple[dict[str, Any], ...]
    record: Mapping[str, Any] | None
    record_id: str
    before: str
    held: str | None
    after: str
    requests: tuple[RecordedRequest, ...]
    secrets: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any] | None:
        """The one JSON object of standard output, or None where it is something else."""
        try:
            value = loads(
                self.completed.stdout
            )  # strictly: NaN, or a key that stands there twice, is no JSON for everyone
        except (InvalidInputs, ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    @property
    def error(self) -> dict[str, Any]:
        """The result `error`; empty where there is none."""
        try:
            value = loads(self.completed.results.get("error") or "{}")
        except (InvalidInputs, ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def marked(self) -> list[dict[str, Any]]:
        """The events that the log carries because they could not be sent."""
        found = []
        for line in self.completed.stderr.splitlines():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict) and isinstance(event := value.get("kubernaut_record"), dict):
                found.append(event)
        return found

    @property
    def writes(self) -> list[str]:
        """The requests that could have changed something."""
        return [request.summary for request in self.requests if request.writes]

    def leaks(self) -> Iterator[str]:
        """The places where a secret shows."""
        places = {
            "standard output": self.completed.stdout,
            "the log": self.completed.stderr,
            **{f"the result {name}": text for name, text in self.completed.results.items()},
            **{f"the event {event.get('state')}": json.dumps(event, ensure_ascii=False) for event in self.events},
        }
        forms = {form for secret in self.secrets for form in _forms(secret)}
        for place, text in places.items():
            spellings = decodings_of(text.encode("utf-8", "surrogatepass"), quotes=True)
            if any(form in spelling.data.translate(_URL_SAFE) for spelling in spellings for form in forms):
                yield place


def _forms(secret: str) -> set[bytes]:
    """Return a secret as it stands, and in encodings; what escapes it is undone in the text that is looked at."""
    raw = secret.encode()
    forms = {raw, raw.replace(b" ", b"+"), raw.hex().encode(), raw.hex().upper().encode()}
    for offset in range(3):
        # the characters at either end hold bits of the neighbours, too
        encoded = base64.b64encode(b"\0" * offset + raw).rstrip(b"=")
        forms.add(encoded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6])
    return {form.translate(_URL_SAFE) for form in forms}
