"""Ages on the command line: `12h`, `90d`."""

from kubernaut_sdk.ages import AGE

__all__ = ["AGE"]
