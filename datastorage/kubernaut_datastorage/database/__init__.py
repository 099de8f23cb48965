"""Tables, statements and migrations, shared by the backends."""
