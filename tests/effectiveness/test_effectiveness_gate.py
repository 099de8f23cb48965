"""Access to the monitor: tokens, logins, names of hosts."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from monitors import following

from kubernaut_datastorage.server import embedded
from kubernaut_effectiveness.service.command import main
from kubernaut_effectiveness.service.following import Follower


@pytest.fixture(scope="module")
def guarded(fleet_folder: Path) -> Iterator[httpx.Client]:
    with embedded(fleet_folder) as service, following(service.url, token="s3cret", hosts=("monitor.example",)) as made:
        yield made[1]


def test_a_browser_logs_in_once_for_a_strict_cookie(guarded: httpx.Client) -> None:
    html = {"accept": "text/html"}
    turned = guarded.get("/patterns", headers=html)
    wrong = guarded.post("/login", data={"token": "wrong", "next": "/patterns"})
    right = guarded.post("/login", data={"token": "s3cret", "next": "/patterns"})

    assert (turned.status_code, turned.headers["location"]) == (303, "/login?next=/patterns")
    assert wrong.status_code == 401
    assert "This is not the monitor&#39;s token." in wrong.text
    assert (right.status_code, right.headers["location"]) == (303, "/patterns")
    cookie = right.headers["set-cookie"].lower()
    assert "samesite=strict" in cookie
    assert "httponly" in cookie
    assert "s3cret" not in cookie
    assert guarded.get("/patterns", headers=html).status_code == 200
    guarded.cookies.clear()


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_a_login_never_leads_elsewhere(guarded: httpx.Client, place: str) -> None:
    answer = guarded.post("/login", data={"token": "s3cret", "next": place})
    guarded.cookies.clear()

    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer s3cret"}, 200),
        ({"authorization": "Bearer s3cret", "host": "10.0.0.7:8090"}, 200),
        ({"authorization": "Bearer wrong"}, 401),
        ({}, 401),
        ({"cookie": "kubernaut_monitor=x"}, 401),
        ({"host": "evil.example"}, 403),
        ({"host": "monitor.example"}, 401),
    ],
)
def test_who_has_no_token_sees_nothing(guarded: httpx.Client, headers: dict[str, str], status: int) -> None:
    assert guarded.get("/metrics", headers=headers).status_code == status


def test_a_form_of_another_site_is_refused(guarded: httpx.Client) -> None:
    answer = guarded.post("/login", data={"token": "s3cret"}, headers={"origin": "http://evil.example"})

    assert answer.status_code == 403
    assert guarded.get("/healthz", headers={"host": "10.0.0.7"}).status_code == 200


def test_without_a_token_only_this_machine_s_names_are_served(monitor: tuple[Follower, httpx.Client]) -> None:
    assert monitor[1].get("/", headers={"host": "evil.example"}).status_code == 403
    assert monitor[1].get("/", headers={"host": "[::1]:8090"}).status_code == 200


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--host=0.0.0.0"], "--host 0.0.0.0 is not of loopback; without --token-file it listens on 127.0.0.1 only."),
        (["--token-file={empty}"], "--token-file {empty} is empty."),
    ],
)
def test_beyond_loopback_the_monitor_needs_a_token(tmp_path: Path, options: list[str], sentence: str) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    argv = ["--data-storage=http://127.0.0.1:9", *(option.format(empty=empty) for option in options)]
    ended = CliRunner().invoke(main, argv)

    assert ended.exit_code == 2
    assert sentence.format(empty=empty) in ended.output
