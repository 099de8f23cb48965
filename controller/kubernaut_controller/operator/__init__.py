"""The controller's process: watches by kopf, one decision at a time for each workflow, and the hands that act.

`watching` brings news, `memory` keeps what is known, `loop` asks `kubernaut_controller.reconciling` what to do and has
it done by `hands`. Nothing is decided here.
"""
