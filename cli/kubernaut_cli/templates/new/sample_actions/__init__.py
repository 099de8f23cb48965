"""Remediation actions."""

from sample_actions.flags import set_flag

__all__ = ["set_flag"]
