"""The actions on Argo CD's Applications."""
