"""The log: which rows a commit writes, how commits are chained and signed, and how records are verified against it."""
