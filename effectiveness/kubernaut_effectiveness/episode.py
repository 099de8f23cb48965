"""The episode of a signal: one period in which an alert was firing.

The caller reads episodes from Data Storage; `recurrence` uses them to follow a record's signal after its action.
"""

from pydantic import BaseModel, ConfigDict

from kubernaut_sdk.records import Time

__all__ = ["Episode"]


class Episode(BaseModel):
    """One firing of a signal. `resolved_at` is None while it fires, or if no message about its end arrived."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: str
    name: str | None = None
    severity: str | None = None
    fired_at: Time
    resolved_at: Time | None = None
