"""The actions on pull requests and commits."""
