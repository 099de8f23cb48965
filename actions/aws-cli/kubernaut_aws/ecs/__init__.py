"""Actions for ECS services."""
