"""The arithmetic: functions of numbers, with the standard library alone. Each formula names its source."""
