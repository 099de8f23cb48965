"""A pod finds its API server and its ServiceAccount where the kubelet puts them."""

from pathlib import Path

import pytest

from kubernaut_sdk.incluster import ServiceAccount, api_server


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({}, None),
        ({"KUBERNETES_SERVICE_HOST": ""}, None),
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, "https://10.96.0.1:443"),
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"}, "https://10.96.0.1:6443"),
        ({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": ""}, "https://[fd00::1]:443"),
    ],
)
def test_the_api_server_is_the_one_of_the_pods_environment(env: dict[str, str], url: str | None) -> None:
    assert api_server(env) == url


def test_a_token_is_read_anew_each_time(tmp_path: Path) -> None:
    account = ServiceAccount(tmp_path)
    assert not account.mounted

    account.token_file.write_text("first\n")
    assert (account.mounted, account.token()) == (True, "first")
    account.token_file.write_text("second\n")
    assert account.token() == "second"
    assert account.ca_file == tmp_path / "ca.crt"
