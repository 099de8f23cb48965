"""The `kubernaut` command, and the local engine."""
