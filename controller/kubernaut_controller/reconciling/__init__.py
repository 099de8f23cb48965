"""What to do about a workflow, decided: functions of plain data. `kubernaut_controller.operator` carries it out.

`reconcile` is where to start reading; `acts` is what it may answer, `seen` what it is given.
"""

from kubernaut_controller.reconciling.observed import FINALIZER, ObservedState
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.reconciling.reconcile import Decision, is_closed, reconcile

__all__ = ["FINALIZER", "Decision", "ObservedState", "Policy", "is_closed", "reconcile"]
