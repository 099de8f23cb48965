"""The common ground of all AWS actions: session, account, errors, eventual consistency, dry runs, policies."""
