"""Ages on the command line: `12h`, `90d`, `1w`."""

from kubernaut_sdk.ages import AGE

__all__ = ["AGE"]
