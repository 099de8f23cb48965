"""The Effectiveness Monitor as a service: it follows Data Storage, and shows pages, JSON and metrics."""
