"""Access: static tokens, ServiceAccounts' tokens, roles, and how often one may come."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from guarded_service import ALERTS, READ, RECORDS, SCRAPER, SHOP, WRITE, Make, TokenReviewServer, guarded, outcome

from kubernaut_datastorage.http.ratelimit import RateLimiter
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import StorageError
from kubernaut_datastorage.tokens import AccessFile, generate_token, hash_token
from kubernaut_sdk.ids import mint


def test_who_may_do_what(client: Callable[[str], httpx.Client], event: Make) -> None:
    table = {
        "": (401, 401, 401, 401),
        "nonsense": (401, 401, 401, 401),
        WRITE: (200, 200, 200, 200),
        READ: (403, 200, 403, 200),
        SHOP: (200, 200, 403, 403),
        ALERTS: (403, 403, 200, 403),
        SCRAPER: (403, 403, 403, 403),
        "controller.x.y": (200, 200, 200, 200),
        "pod.uid1.shop": (200, 200, 403, 403),
        "podless.uid1.shop": (401, 401, 401, 401),
        "other.uid1.shop": (401, 401, 401, 401),
        "bad.uid1.shop": (401, 401, 401, 401),
    }
    webhook = {"version": "4", "alerts": []}
    for token, expected in table.items():
        who = client(token)
        answers = (
            who.post(RECORDS, json=[event()]),
            who.get(RECORDS),
            who.post("/api/v1/signals", json=webhook),
            who.get("/api/v1/signals"),
        )
        assert tuple(answer.status_code for answer in answers) == expected, token
        assert who.get("/healthz").status_code == who.get("/readyz").status_code == 200


def test_the_problem_says_what_to_do(client: Callable[[str], httpx.Client]) -> None:
    without, wrong, reader = (client(token).get("/api/v1/signals") for token in ("", "nonsense", SHOP))

    assert without.json()["detail"] == "send a bearer token."
    assert without.headers["www-authenticate"] == "Bearer"
    assert wrong.json()["detail"] == "this token is not known, or not for this service."
    assert reader.json()["detail"] == "GET /api/v1/signals is not for own-record."


def test_kubernetes_is_asked_once_for_this_audience(
    client: Callable[[str], httpx.Client], kubernetes: TokenReviewServer
) -> None:
    pod = client("pod.uid1.shop")
    for _ in range(5):
        assert pod.get(RECORDS).status_code == 200
    assert client("nonsense").get(RECORDS).status_code == 401

    assert kubernetes.asked == [
        {"token": "pod.uid1.shop", "audiences": ["kubernaut-data-storage"], "by": "Bearer mine"}
    ]


def test_what_was_reviewed_is_believed_for_a_minute_at_most(
    client: Callable[[str], httpx.Client], kubernetes: TokenReviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod, real = client("pod.uid1.shop"), time.monotonic
    pod.get(RECORDS)
    monkeypatch.setattr("kubernaut_datastorage.tokens.time.monotonic", lambda: real() + 61)
    pod.get(RECORDS)

    assert len(kubernetes.asked) == 2


def test_when_kubernetes_does_not_answer_the_caller_is_asked_to_come_again(
    client: Callable[[str], httpx.Client], kubernetes: TokenReviewServer
) -> None:
    kubernetes.down = True
    answer = client("pod.uid1.shop").get(RECORDS)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "Kubernetes does not answer" in answer.json()["detail"]
    assert client(WRITE).get(RECORDS).status_code == 200


def test_a_file_that_changes_is_read_without_a_restart(
    client: Callable[[str], httpx.Client], access: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, reader, real = generate_token(), client(READ), time.monotonic
    newcomer = client(new)
    assert (reader.get(RECORDS).status_code, newcomer.get(RECORDS).status_code) == (200, 401)

    access.write_text(f"{hash_token(new)} read\n")
    monkeypatch.setattr("kubernaut_datastorage.tokens.time.monotonic", lambda: real() + 2)
    assert (reader.get(RECORDS).status_code, newcomer.get(RECORDS).status_code) == (401, 200)

    access.write_text("half a fi")
    monkeypatch.setattr("kubernaut_datastorage.tokens.time.monotonic", lambda: real() + 4)
    assert newcomer.get(RECORDS).status_code == 200


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("secret read", "line 1: a line begins with sha256:… of a token, or with system:serviceaccount:"),
        ("sha256:12 read", "line 1: sha256:12 is no SHA-256"),
        (f"{hash_token('x')}", "line 1: there is no role at all; there is write, read, own-record, signals"),
        (f"{hash_token('x')} read,admin", "line 1: there is no role admin; there is write, read, own-record, signals"),
        (f"{hash_token('x')} own-record", "line 1: own-record of a static token needs its namespace"),
    ],
)
def test_a_file_that_cannot_be_used_is_reported(tmp_path: Path, line: str, expected: str) -> None:
    (tmp_path / "access").write_text(line)
    with pytest.raises(StorageError) as caught:
        AccessFile(tmp_path / "access")

    assert expected in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_word_of_the_future_is_not_the_last_word(client: Callable[[str], httpx.Client], event: Make) -> None:
    sent = outcome(client("pod.uid1.shop"), event(at="9999-12-31T23:59:59.000000Z"))

    assert sent["reason"] == "at: 9999-12-31T23:59:59.000000Z is more than a day ahead; a clock seems to be wrong."


def test_alertmanager_is_asked_to_come_again_when_it_comes_too_often(
    access: Path, kubernetes: TokenReviewServer, tmp_path: Path
) -> None:
    webhook = {"version": "4", "alerts": []}
    with guarded(SqliteStore(open_sqlite(tmp_path / "data")), access, kubernetes, tmp_path, rate=1) as client:
        answers = [client(ALERTS).post("/api/v1/signals", json=webhook) for _ in range(12)]

    assert {answer.status_code for answer in answers} == {200, 503}  # it sends nothing again after a 4xx
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)


def test_size_then_rate_then_token_then_body(access: Path, kubernetes: TokenReviewServer, tmp_path: Path) -> None:
    with guarded(SqliteStore(open_sqlite(tmp_path / "data")), access, kubernetes, tmp_path, rate=1) as client:
        large, nobody = b"x" * ((4 << 20) + 1), client("nonsense")
        assert [nobody.post(RECORDS, content=large).status_code for _ in range(4)] == [413] * 4
        answers = [nobody.post(RECORDS, content=b"not JSON") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert client(WRITE).post(RECORDS, content=b"not JSON").status_code == 400


def test_whoever_tries_tokens_is_slowed_down_and_nobody_else(
    client: Callable[[str], httpx.Client], kubernetes: TokenReviewServer
) -> None:
    nobody = client("x")
    answers = [nobody.get(RECORDS, headers={"authorization": f"Bearer bad.{n}.b"}).status_code for n in range(120)]

    assert set(answers) == {401, 429}
    assert answers.count(429) > 20
    assert client(WRITE).get(RECORDS).status_code == 200


def test_a_bucket_fills_again() -> None:
    now = [0.0]
    buckets = RateLimiter(2, 4, clock=lambda: now[0])

    assert [buckets.wait("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert buckets.wait("b") == 0
    now[0] = 0.5
    assert [buckets.wait("a"), buckets.wait("a")] == [0, 0.5]


def test_ids_are_not_known_by_guessing(client: Callable[[str], httpx.Client]) -> None:
    assert client("pod.uid1.shop").get(f"{RECORDS}/{mint()}").status_code == 404
