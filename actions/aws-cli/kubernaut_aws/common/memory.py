"""Values that one execution of an action keeps between its functions, and no record needs: a revision, an id."""

from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from kubernaut_sdk import Context

__all__ = ["PerExecution"]

T = TypeVar("T")


class PerExecution(Generic[T]):
    """One value for each execution. A pod that runs again starts without it."""

    def __init__(self) -> None:
        self._values: WeakKeyDictionary[Context, T] = WeakKeyDictionary()

    def set(self, ctx: Context, value: T) -> T:
        """Keep the value and return it."""
        self._values[ctx] = value
        return value

    def get(self, ctx: Context) -> T | None:
        """Return the value, or None if there is none."""
        return self._values.get(ctx)
