"""Faults of a forge, or of what stands before it: refusals, limits, pages of a proxy, and where the token goes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from forge_standin import Refused
from forge_world import ForgeWorld, standin_world
from proposals import opened, standin_of

from kubernaut_argocd._http import HttpReply, rate_limit_pause
from kubernaut_argocd.requests.opening import open_pull_request
from kubernaut_sdk.testing import ActionRunner


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("gitea", Refused(404, {"message": "not found"})),
        ("github", Refused(422, {"message": "Validation Failed", "errors": [{"field": "head", "code": "invalid"}]})),
    ],
)
def test_a_forge_that_does_not_know_the_branch_yet_is_asked_again(repository: Any, kind: str, refusal: Refused) -> None:
    with standin_of(kind, repository) as world:
        looks: list[Any] = [
            lambda: None
        ] * 2  # for the plan, and before it is opened; GitHub is looked at after a 422, too
        world.standin.faults = [*looks, refusal, *looks[: kind == "github"], refusal]
        ran = opened(world)

        assert (ran.exit_code, ran.status) == (0, "succeeded"), ran.error
        assert "does not know branch" in ran.log
        assert len(world.pulls()) == 1


@pytest.mark.parametrize(
    ("fault", "code", "reason", "text"),
    [
        (Refused(401, {"message": "Bad credentials"}), 3, "TokenRefused", "is not valid, or has expired"),
        (Refused(403, {"message": "Resource not accessible"}), 3, "AccessDenied", "has not the right for it; it needs"),
        (Refused(404, {"message": "Not Found"}), 3, "NotFound", "or the token may not see it"),
        (Refused(500, {"message": "oops"}), 75, "Unreachable", "it says: oops"),
        (
            Refused(307, None, {"location": "http://evil.example.com/x"}),
            3,
            "Redirected",
            "a redirect to evil.example.com; none is followed, since the token would go along",
        ),
        (
            Refused(429, {"message": "slow down"}, {"retry-after": "9000"}),
            75,
            "RateLimited",
            "asks for fewer requests: the next one in 9000 s",
        ),
    ],
)
def test_a_refusal_says_what_to_do(github: ForgeWorld, fault: Refused, code: int, reason: str, text: str) -> None:
    github.standin.faults = [fault]
    ran = opened(github)

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason, ran.changed) == (code, reason, False)
    assert text in ran.error.message
    assert github.secrets["token"] not in ran.log + str(ran.results)


@pytest.mark.parametrize(
    ("status", "document", "headers"),
    [
        (429, {"message": "slow down"}, {"retry-after": "30"}),
        (403, {"message": "You have exceeded a secondary rate limit."}, {"retry-after": "30"}),
        (403, {"message": "You have exceeded a secondary rate limit."}, {}),
        (403, {"message": "API rate limit exceeded"}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}),
    ],
)
def test_a_limit_that_the_step_has_time_for_is_waited_out(
    github: ForgeWorld, status: int, document: Any, headers: dict[str, str]
) -> None:
    github.standin.faults = [Refused(status, document, headers)]
    ran = opened(github)

    assert (ran.exit_code, ran.status) == (0, "succeeded")
    assert "asks for fewer requests" in ran.log


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 60),
        ({"retry-after": "Wed, 21 Oct 2015 07:26:00 GMT"}, 1),
        ({"retry-after": "0"}, 1),
        ({"retry-after": "soon"}, 60),
        ({"retry-after": "Wed, 99 Oct 2015 07:28:00 GMT", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, 1),
    ],
)
def test_the_time_that_a_server_asks_for_is_read(headers: dict[str, str], seconds: float) -> None:
    now = datetime(2015, 10, 21, 7, 27, tzinfo=UTC).timestamp()

    assert rate_limit_pause(HttpReply(429, None, headers), now) == seconds


@pytest.mark.parametrize("status", [200, 404])
def test_a_page_of_a_proxy_is_no_answer_of_the_forge(repository: Any, status: int) -> None:
    """Gitea answers 404 where there is no request, so that a proxy's 404 would have been taken for that."""
    with standin_of("gitea", repository) as world:
        world.standin.faults = [Refused(status, b"<html><h1>Please log in</h1></html>")]
        ran = opened(world)

        assert ran.error is not None
        assert (ran.exit_code, ran.error.reason, ran.changed) == (3, "NotTheApi", False)
        assert "speaks no JSON; perhaps it is a page to log in" in ran.error.message
        assert world.branches() == ["main"]


@pytest.mark.parametrize("token", ["one\ntwo", "pas\u2713"])
def test_a_token_that_no_header_can_hold_is_told_without_it(github: ForgeWorld, token: str) -> None:
    ran = opened(github, runner=ActionRunner(open_pull_request, secrets={"token": token}))

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason) == (3, "TokenUnusable")
    assert "the token in the step's Secret holds a line break" in ran.error.message


def test_the_token_goes_to_the_forge_alone(github: ForgeWorld, repository: Any) -> None:
    """A redirect to another server is not followed, so that server sees no request."""
    with standin_world("gitea", repository) as other:
        github.standin.faults = [Refused(302, None, {"location": other.standin.root})]
        ran = opened(github)

        assert ran.exit_code == 3
        assert other.standin.tokens == []
