"""What the monitor keeps of records: narrow rows in a file of SQLite, judged where they change."""
