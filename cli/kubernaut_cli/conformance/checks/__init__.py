"""The checks: each with its name, the reason for it and what to do where it fails."""

from kubernaut_cli.conformance.checks.check import Check, Judgement, judge
from kubernaut_cli.conformance.checks.of_bad_days import BAD_DAY_CHECKS
from kubernaut_cli.conformance.checks.of_images import IMAGE_CHECKS
from kubernaut_cli.conformance.checks.of_runs import RUN_CHECKS
from kubernaut_cli.conformance.checks.of_secrets import SECRET_CHECKS

__all__ = ["ACTION_CHECKS", "IMAGE_CHECKS", "Check", "Judgement", "judge"]

ACTION_CHECKS = [*RUN_CHECKS, *SECRET_CHECKS, *BAD_DAY_CHECKS]
