"""The checks of `kubernaut doctor`: this machine, the store of records, and a cluster. They change nothing."""
