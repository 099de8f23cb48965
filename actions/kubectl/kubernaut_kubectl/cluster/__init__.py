"""The API server through kubectl: reads, compare-and-swap writes, and failures as errors of the action contract."""
