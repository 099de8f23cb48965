"""A property whose value is computed once per object, without a lock for all objects."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["CachedProperty"]

T = TypeVar("T")


class CachedProperty(Generic[T]):
    """A property that is computed on first use.

    Before Python 3.12, `functools.cached_property` has one lock for all instances; a run takes seconds, and several
    actions are examined at once.

    Args:
        compute: Computes the value of an instance.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, _owner: type) -> T:
        value = self._compute(instance)
        instance.__dict__[self._name] = value
        return value
