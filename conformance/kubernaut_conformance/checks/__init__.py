"""The checks: each with its name, the reason for it and the fix."""

from kubernaut_conformance.checks.check import CheckResult, ConformanceCheck, run_check
from kubernaut_conformance.checks.image_checks import IMAGE_CHECKS
from kubernaut_conformance.checks.resilience_checks import RESILIENCE_CHECKS
from kubernaut_conformance.checks.run_checks import RUN_CHECKS
from kubernaut_conformance.checks.secret_checks import SECRET_CHECKS

__all__ = ["ACTION_CHECKS", "IMAGE_CHECKS", "CheckResult", "ConformanceCheck", "run_check"]

ACTION_CHECKS = [*RUN_CHECKS, *SECRET_CHECKS, *RESILIENCE_CHECKS]
