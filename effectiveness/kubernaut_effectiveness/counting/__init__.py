"""The counting: from records and firings to incidents with an outcome. Functions of data; times are Unix seconds."""
