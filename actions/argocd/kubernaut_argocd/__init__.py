"""Actions that change what GitOps deploys."""

from kubernaut_argocd.files import update_file

__all__ = ["update_file"]
