"""Everything that one run did, and a search for secrets in it."""

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
    """Everything that one run did.

    Attributes:
        description: The run in a report, to follow "the run".
        completed: The exit code, output and results.
        events: The events that it sent to Data Storage, in order.
        record: The record that Data Storage has of it; None if there is none.
        record_id: The id that the run was given.
        before: The state of the environment before the run.
        held: The state while the answer to `applying` was kept back; None if it was not.
        after: The state after the run.
        requests: The requests that it sent to its target.
        secrets: The texts that must appear nowhere.
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
        """The one JSON object on standard output; None if it is anything else."""
        try:
            value = loads(self.completed.stdout)  # strict: not every reader takes NaN, or a key given twice
        except (InvalidInputs, ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    @property
    def error(self) -> dict[str, Any]:
        """The result `error`; empty if there is none."""
        try:
            value = loads(self.completed.results.get("error") or "{}")
        except (InvalidInputs, ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def marked(self) -> list[dict[str, Any]]:
        """The events in the log, where the action writes those that it could not send."""
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
        """Yield each place where a secret appears."""
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
    """Return a secret as bytes, plain and encoded. Escapes need no form here: they are undone in the text searched."""
    raw = secret.encode()
    forms = {raw, raw.replace(b" ", b"+"), raw.hex().encode(), raw.hex().upper().encode()}
    for offset in range(3):
        # the first and last character also hold bits of the neighbouring bytes
        encoded = base64.b64encode(b"\0" * offset + raw).rstrip(b"=")
        forms.add(encoded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6])
    return {form.translate(_URL_SAFE) for form in forms}
