"""Did it help? Verdicts on action types, from action records and the episodes of their signals.

Called by whoever shows verdicts (`kubernaut effectiveness`). Everything here is a function of records: nothing
is read, sent or stored, and nothing outside the standard library does the arithmetic.
"""

from kubernaut_effectiveness.episode import Episode
from kubernaut_effectiveness.recurrence import Outcome
from kubernaut_effectiveness.verdict import Durable, Verdict, verdicts

__all__ = ["Durable", "Episode", "Outcome", "Verdict", "verdicts"]
