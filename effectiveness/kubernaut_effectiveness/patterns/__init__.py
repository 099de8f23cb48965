"""Patterns: what flaps, goes in circles, grows, comes together, or has side effects. Functions of a judged fleet."""
