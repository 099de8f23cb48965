"""Write remediation actions for Kubernaut."""
