"""Errors as RFC 9457 problem details."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse

__all__ = ["Problem", "answer", "response"]


class Problem(Exception):
    """A request that is answered with an error.

    Args:
        status: The HTTP status.
        title: The kind of problem, the same for all of that kind.
        detail: One sentence for the reader.
        headers: More of the answer's headers.
    """

    def __init__(self, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.headers = status, title, detail, headers


def response(problem: Problem, path: str) -> JSONResponse:
    """Return the problem as `application/problem+json`."""
    body = {"type": "about:blank", "title": problem.title, "status": problem.status, "detail": problem.detail}
    return JSONResponse(
        {**body, "instance": path},
        status_code=problem.status,
        media_type="application/problem+json",
        headers=dict(problem.headers or {}),
    )


async def answer(request: Request, error: Exception) -> JSONResponse:
    """Answer a Problem that a route raised: Starlette's handler of this exception."""
    assert isinstance(error, Problem)
    return response(error, request.url.path)
