"""The decisions about a workflow: pure functions of plain data. `kubernaut_controller.operator` carries them out.

Start reading at `reconcile`. It takes an `observed.ObservedState` and returns a list of `effects`.
"""

from kubernaut_controller.reconciling.decision import Decision
from kubernaut_controller.reconciling.observed import FINALIZER, ObservedState
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.reconciling.reconcile import is_closed, reconcile

__all__ = ["FINALIZER", "Decision", "ObservedState", "Policy", "is_closed", "reconcile"]
