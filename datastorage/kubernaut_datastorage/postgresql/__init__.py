"""The PostgreSQL backend: any number of replicas commit in groups, one after the other; readers do not wait.

A commit holds an advisory lock from before it reads to after it is visible. So merging has no race, each record's `seq`
(its number in the log) is in the order of commit without a gap, a client that follows it misses nothing, and the log is
one chain. The slow part, checking and
hashing events, is done before; under the lock are a look-up by primary key, a binary COPY, and a small statement.
"""

from kubernaut_datastorage.postgresql.commit import row_values
from kubernaut_datastorage.postgresql.store import PostgresStore

__all__ = ["PostgresStore", "row_values"]
