"""One check of `kubernaut doctor`: its subject, its outcome, and what to do."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["DoctorCheck", "Health"]


class Health(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    NOTE = "note"
    """Not there, and only needed for some commands."""
    FAULT = "fault"


@dataclass(frozen=True)
class DoctorCheck:
    """A subject, its health, and one sentence: what was found and, where something is missing, what to do."""

    subject: str
    health: Health
    message: str
