"""The monitor's own copy of records: narrow rows in a file of SQLite, judged where they change."""
