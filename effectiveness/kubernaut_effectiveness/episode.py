"""A signal's episode: one stretch of time in which an alert was firing.

Made by whoever reads Data Storage's signals, for `recurrence` to follow a record's signal after its action.
"""

from pydantic import BaseModel, ConfigDict

from kubernaut_sdk.records import Time

__all__ = ["Episode"]


class Episode(BaseModel):
    """One firing of a signal. `resolved_at` is absent while it fires, or as far as anyone has heard."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: str
    name: str | None = None
    severity: str | None = None
    fired_at: Time
    resolved_at: Time | None = None
