"""The controller's process: kopf watches, one decision at a time for each workflow, and an executor for its effects.

`watching` receives watch events, `cache` keeps what they say, `loop` schedules reconciles,
`kubernaut_controller.reconciling` decides, and `executor` carries the decision out. Nothing is decided here.
"""
