"""Voluntary disruptions: PodDisruptionBudgets, and the eviction API that keeps them."""
