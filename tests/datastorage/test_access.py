"""Access: static tokens, ServiceAccounts' tokens, roles, and what an action's own token may say."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from kubernaut_datastorage.gate import Gate
from kubernaut_datastorage.http.ratelimit import RateLimiter
from kubernaut_datastorage.server import hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import StorageError, Store
from kubernaut_datastorage.tokenreview import KubernetesTokenReviewer
from kubernaut_datastorage.tokens import AccessFile, Tokens, generate_token, hash_token
from kubernaut_sdk.ids import mint
from kubernaut_sdk.incluster import ServiceAccount

MakeStore = Callable[..., Store]
Make = Callable[..., dict[str, Any]]
RECORDS = "/api/v1/action-records"
WRITE, READ, SHOP, ALERTS, SCRAPER = (generate_token() for _ in range(5))
CONTROLLER = "system:serviceaccount:kubernaut-system:kubernaut-controller"


class TokenReviewServer(ThreadingHTTPServer):
    """Answers TokenReviews as the API server does. A token here is `x.POD.NAMESPACE`; the real one is in tests/e2e."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), TokenReviewHandler)
        self.asked: list[dict[str, Any]] = []
        self.down = False


class TokenReviewHandler(BaseHTTPRequestHandler):
    server: TokenReviewServer

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append({**review["spec"], "by": self.headers["authorization"]})
        kind, pod, namespace = review["spec"]["token"].split(".")
        account = CONTROLLER if kind == "controller" else f"system:serviceaccount:{namespace}:runner"
        extra = {
            "authentication.kubernetes.io/pod-name": [f"{pod}-pod"],
            "authentication.kubernetes.io/pod-uid": [pod],
        }
        status: dict[str, Any] = {
            "authenticated": kind != "bad",
            "audiences": ["other"] if kind == "other" else ["kubernaut-data-storage"],
            "user": {"username": account, "extra": {} if kind in {"controller", "podless"} else extra},
        }
        body = json.dumps({"status": status}).encode()
        self.send_response(500 if self.server.down else 201)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def kubernetes() -> Iterator[TokenReviewServer]:
    server = TokenReviewServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def access(tmp_path: Path) -> Path:
    file = tmp_path / "access"
    file.write_text(
        f"# who          roles\n{hash_token(WRITE)}  write,read  the command\n{hash_token(READ)} read\n\n"
        f"{hash_token(SHOP)} own-record=shop  # a pipeline\n{CONTROLLER} write,read\n"
        f"{hash_token(ALERTS)} signals alertmanager\n{hash_token(SCRAPER)} metrics prometheus\n"
    )
    return file


@contextmanager
def guarded(
    store: Store, access: Path, kubernetes: TokenReviewServer, folder: Path, rate: float = 1000
) -> Iterator[Callable[[str], httpx.Client]]:
    """A service behind its gate; gives a client for a token."""
    (folder / "token").write_text("mine\n")
    url = f"http://127.0.0.1:{kubernetes.server_port}"
    reviews = KubernetesTokenReviewer(url, ServiceAccount(folder), "kubernaut-data-storage")
    tokens = Tokens(AccessFile(access), reviews)
    clients: list[httpx.Client] = []

    def client(token: str) -> httpx.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        clients.append(httpx.Client(base_url=running.url, headers=headers, trust_env=False, timeout=30))
        return clients[-1]

    with hosted(store, lambda app: Gate(app, tokens, rate)) as running:
        yield client
        for one in clients:
            one.close()


@pytest.fixture
def client(access: Path, kubernetes: TokenReviewServer, tmp_path: Path) -> Iterator[Callable[[str], httpx.Client]]:
    with guarded(SqliteStore(open_sqlite(tmp_path / "data")), access, kubernetes, tmp_path) as made:
        yield made


@pytest.fixture
def either(
    make_store: MakeStore, access: Path, kubernetes: TokenReviewServer, tmp_path: Path
) -> Iterator[Callable[[str], httpx.Client]]:
    """Return `client` over each kind of store, for rules that depend on the stored record."""
    with guarded(make_store(), access, kubernetes, tmp_path) as made:
        yield made


def outcome(client: httpx.Client, *events: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(RECORDS, json=events)
    assert answer.status_code == 200, answer.text
    last: dict[str, Any] = answer.json()[-1]
    return last


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


def test_the_token_says_whose_word_it_is(client: Callable[[str], httpx.Client], event: Make) -> None:
    shop = {"workflow": {"namespace": "shop", "name": "w"}}
    sent = event(state="started", **shop)
    relayed = event(state="failed", source="container", **shop)
    by_controller = {**sent, "state": "intended"}
    writer, pod = client(WRITE), client("pod.uid1.shop")
    assert outcome(writer, by_controller)["outcome"] == "stored"
    assert writer.get(f"{RECORDS}/{sent['id']}").json()["source"] == "controller"
    assert outcome(pod, {**sent, "pod": {"name": "liar", "uid": "liar"}})["outcome"] == "merged"
    assert outcome(writer, relayed)["outcome"] == "stored"
    record = writer.get(f"{RECORDS}/{sent['id']}").json()

    assert record["source"] == "container"
    assert record["pod"] == {"name": "uid1-pod", "uid": "uid1"}
    assert writer.get(f"{RECORDS}/{relayed['id']}").json()["source"] == "container"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"source": "controller"}, "source: an action's token cannot speak in the name of the controller."),
        ({"state": "intended"}, "state: intended is not an action's to say; there is applying, cancelled,"),
        ({"state": "lost"}, "state: lost is not an action's to say"),
        (
            {"workflow": {"namespace": "bank", "name": "w"}},
            "workflow.namespace: bank is not the token's",
        ),
    ],
)
@pytest.mark.parametrize("token", ["pod.uid1.shop", SHOP], ids=["pod", "static"])
def test_what_an_action_cannot_say(
    client: Callable[[str], httpx.Client], event: Make, token: str, fields: dict[str, Any], expected: str
) -> None:
    answer = outcome(client(token), event(), event(**fields))

    assert answer["outcome"] == "refused"
    assert answer["reason"].startswith(expected)


def test_an_attempt_belongs_to_the_pod_that_first_wrote_it(either: Callable[[str], httpx.Client], event: Make) -> None:
    client = either
    shop = {"workflow": {"namespace": "shop", "name": "w"}}
    sent = event(state="started", **shop)
    one, other, elsewhere = client("pod.uid1.shop"), client("pod.uid2.shop"), client("pod.uid3.bank")
    assert outcome(client(WRITE), {**sent, "state": "intended"})["outcome"] == "stored"
    assert outcome(one, sent)["outcome"] == "merged"
    again = outcome(other, {**sent, "state": "failed"})
    later = outcome(other, {**sent, "state": "failed", "attempt": 1})
    stranger = outcome(elsewhere, {**event(state="failed"), "id": sent["id"]})
    client(WRITE).post(RECORDS, json=[{**sent, "state": "cancelled"}])

    assert again["reason"] == "attempt: attempt 0 was first written by the pod uid1; another tells of a later attempt."
    assert later["outcome"] == "merged"
    assert stranger["reason"] == "id: this record is not of the token's namespace, bank."
    assert outcome(one, {**sent, "state": "succeeded"})["outcome"] == "merged"


INTENDED = {
    "state": "intended",
    "action_type": "kubernetes/scale_deployment",
    "image": "ghcr.io/kubernaut/actions/kubectl@sha256:aa",
    "workflow": {"namespace": "shop", "name": "w", "uid": "1"},
    "step": "a",
    "requester": "ai",
    "signal": {"fingerprint": "f1", "name": "Latency"},
    "remediation": {"namespace": "shop", "name": "r1"},
    "dry_run": False,
    "target": {"kind": "Deployment", "namespace": "shop", "name": "web"},
}
FORGED = {
    "state": "succeeded",
    "action_type": "kubernetes/cordon_node",
    "image": "ghcr.io/trusted/x@sha256:bb",
    "workflow": {"namespace": "shop", "name": "another"},
    "step": "z",
    "requester": "root",
    "approver": "somebody-else",
    "confidence": 1.0,
    "signal": {"fingerprint": "f2"},
    "remediation": {"namespace": "prod", "name": "r2"},
    "dry_run": True,
    "intended_at": "2020-11-28T10:00:00.000000Z",
    "target": "another",
    "pod_name": "another",
    "output": {"replicas": 6},
    "changed": True,
}


@pytest.mark.parametrize("order", ["after", "before", "between"])
def test_an_action_s_token_says_what_it_did_and_not_why_it_ran(
    either: Callable[[str], httpx.Client], event: Make, order: str
) -> None:
    writer, pod = either(WRITE), either("pod.uid1.shop")
    sent = event(**INTENDED)
    forged = {**event(**FORGED), "id": sent["id"]}
    words = {
        "after": [(writer, sent), (pod, forged)],
        "before": [(pod, forged), (writer, sent)],
        "between": [(writer, sent), (pod, forged), (writer, {**sent, "state": "failed"})],
    }[order]
    for who, word in words:
        assert outcome(who, word)["outcome"] in {"stored", "merged"}
    record = writer.get(f"{RECORDS}/{sent['id']}").json()

    assert {name: record[name] for name in INTENDED if name != "state"} == {
        name: value for name, value in INTENDED.items() if name != "state"
    }
    assert record.keys() & {"approver", "confidence", "intended_at", "pod_name"} == set()
    assert (record["state"], record["output"], record["changed"]) == ("succeeded", {"replicas": 6}, True)
    assert record["pod"] == {"name": "uid1-pod", "uid": "uid1"}


def test_a_stranger_s_words_go_when_the_controller_says_whose_record_it_is(
    either: Callable[[str], httpx.Client], event: Make
) -> None:
    writer, stranger, rightful = either(WRITE), either("pod.uid3.bank"), either("pod.uid1.shop")
    sent = event(**INTENDED)
    forged = {**event(state="succeeded", output={"x": 1}), "id": sent["id"]}
    assert outcome(stranger, forged)["outcome"] == "stored"
    assert outcome(writer, sent)["outcome"] == "merged"
    after = writer.get(f"{RECORDS}/{sent['id']}").json()
    assert outcome(rightful, {**forged, "state": "failed", "output": {"y": 2}})["outcome"] == "merged"
    again = outcome(stranger, {**forged, "attempt": 1})
    record = writer.get(f"{RECORDS}/{sent['id']}").json()

    assert (after["state"], "output" in after, "pod" in after) == ("intended", False, False)
    assert again["reason"] == "id: this record is not of the token's namespace, bank."
    assert (record["state"], record["output"]) == ("failed", {"y": 2})
    assert stranger.get(f"{RECORDS}/{sent['id']}").status_code == 404


def test_where_the_controller_names_the_pod_no_other_can_claim_its_record(
    either: Callable[[str], httpx.Client], event: Make
) -> None:
    writer, rightful, other = either(WRITE), either("pod.uid1.shop"), either("pod.uid2.shop")
    named = event(**INTENDED, pod_name="uid1-pod")
    early = event(**INTENDED, pod_name="uid1-pod")
    claim = {"state": "succeeded", "changed": False}
    assert outcome(writer, named)["outcome"] == "stored"
    refused = outcome(other, {**named, **claim})
    later = outcome(other, {**named, **claim, "attempt": 7})
    assert outcome(rightful, {**named, "state": "failed"})["outcome"] == "merged"
    # and one that came before the controller
    assert outcome(other, {**event(**claim), "id": early["id"]})["outcome"] == "stored"
    assert outcome(writer, early)["outcome"] == "merged"
    assert outcome(rightful, {**early, "state": "failed"})["outcome"] == "merged"

    reason = "id: this record is of the pod uid1-pod, as the controller says, and the token of uid2-pod."
    assert refused["reason"] == later["reason"] == reason
    for record in (named, early):
        known = writer.get(f"{RECORDS}/{record['id']}").json()
        assert (known["state"], known["pod"]["uid"], "changed" in known) == ("failed", "uid1", False)


def test_however_many_attempts_a_pod_writes_few_places_are_kept(
    client: Callable[[str], httpx.Client], event: Make
) -> None:
    one, other, sent = client("pod.uid1.shop"), client("pod.uid2.shop"), event(**INTENDED)
    outcome(client(WRITE), sent)
    for start in range(0, 3_000, 1_000):
        one.post(RECORDS, json=[{**sent, "state": "started", "attempt": start + n} for n in range(1_000)])
    proof = client(READ).get(f"{RECORDS}/{sent['id']}/proof").json()

    assert len(json.loads(proof["provenance"])["pods"]) == 256
    assert outcome(one, {**sent, "state": "applying", "attempt": 10**9})["outcome"] == "merged"
    assert outcome(other, {**sent, "state": "failed", "attempt": 10**9})["outcome"] == "refused"


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


def test_an_action_reads_the_records_of_its_namespace_only(either: Callable[[str], httpx.Client], event: Make) -> None:
    client = either
    mine, theirs = (
        event(workflow={"namespace": "shop", "name": "w"}),
        event(workflow={"namespace": "bank", "name": "w"}),
    )
    outcome(client(WRITE), mine, theirs)
    pod, bank = client("pod.uid1.shop"), client("pod.uid1.bank")
    bare = event()
    assert outcome(pod, bare)["outcome"] == "stored"  # a PipelineRun rendered by hand has no workflow

    assert {one["id"] for one in pod.get(RECORDS).json()["items"]} == {mine["id"], bare["id"]}
    lines = bank.get(RECORDS, headers={"accept": "application/x-ndjson"}).text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [theirs["id"]]
    assert pod.get(f"{RECORDS}/{theirs['id']}").status_code == 404
    assert pod.get(f"{RECORDS}/{theirs['id']}/proof").status_code == 404
    assert bank.get(f"{RECORDS}/{bare['id']}").status_code == 404
    assert pod.get(f"{RECORDS}/{bare['id']}").status_code == 200
    assert pod.get(f"{RECORDS}/summary").status_code == 403


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
