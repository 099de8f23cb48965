"""The actions that ask Prometheus and Alertmanager."""
