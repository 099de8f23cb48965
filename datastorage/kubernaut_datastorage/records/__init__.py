"""Records: how events are read, bounded and merged, and who may send them. Functions of plain data."""
