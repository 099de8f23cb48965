"""Verdicts on action types ("did it help?"), from action records and the episodes of their signals.

Used by `kubernaut effectiveness`. Everything here is a function of records: nothing is read, sent or stored, and the
arithmetic needs only the standard library.
"""

from kubernaut_effectiveness.episode import Episode
from kubernaut_effectiveness.recurrence import SignalOutcome
from kubernaut_effectiveness.verdict import DurableSuccess, EffectivenessVerdict, verdicts

__all__ = ["DurableSuccess", "EffectivenessVerdict", "Episode", "SignalOutcome", "verdicts"]
