"""One execution of an action: planned, applied, verified, and reported to results, record and log."""
