"""The media type of an answer, by the request's Accept header (RFC 9110, 12.5.1)."""

from contextlib import suppress
from operator import itemgetter

from kubernaut_datastorage.http.export import STREAMS
from kubernaut_datastorage.http.problems import Problem
from kubernaut_sdk.portable import shorten

__all__ = ["negotiate"]


def negotiate(accept: str) -> str:
    """Return the media type that the client prefers, JSON by default (RFC 9110, 12.5.1).

    Raises:
        Problem: 406 where it takes none of it.
    """
    if accept == "*/*":
        return "application/json"
    liked: list[tuple[float, str]] = []
    for part in accept.split(","):
        name, *parameters = [piece.strip().lower() for piece in part.split(";")]
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        offered = next((known for known in ("application/json", *STREAMS) if _matches(name, known)), None)
        with suppress(ValueError):
            if offered is not None and 0 < float(quality) <= 1:
                liked.append((float(quality), offered))
    if not liked:
        detail = f"accept: {shorten(accept)}: there is application/json, {', '.join(STREAMS)}."
        raise Problem(406, "Not acceptable", detail)
    return max(liked, key=itemgetter(0))[1]


def _matches(media_range: str, media_type: str) -> bool:
    """Return True if a range of the Accept header matches a type. No pattern is used: it would be compiled and kept."""
    return media_range in {"*/*", media_type, f"{media_type.partition('/')[0]}/*"}
