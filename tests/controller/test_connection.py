"""A login survives a token that is refused for a moment, and picks up a rotated one."""

import asyncio
from pathlib import Path
from typing import Any

import kopf
import pytest
import yaml
from kopf._cogs.structs.credentials import Vault, VaultKey

from kubernaut_controller.operator import connection
from kubernaut_controller.operator.connection import Logins

KEY = VaultKey("login")


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(connection, "_LONGEST_PAUSE", 0.01)
    write(path, "first")
    return path


def write(path: Path, token: str) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    path.write_text(yaml.safe_dump(config))


async def token_of(info: Any) -> str:
    """Return the token that a login's session sends, and close the session."""
    await info.aiohttp_session.close()
    return str(info.aiohttp_session.headers["Authorization"]).removeprefix("Bearer ")


def test_the_same_token_is_taken_again_after_it_was_refused(kubeconfig: Path) -> None:
    async def work() -> list[str]:
        logins, vault, tokens = Logins(), Vault(), []
        settings = kopf.OperatorSettings()
        await vault.populate({KEY: await logins(settings)})
        for rotated in ("", "", "second"):
            _, item = vault.select()
            tokens.append(await token_of(item.info))
            if rotated:
                write(kubeconfig, rotated)
            refused = asyncio.create_task(vault.invalidate(KEY, item.info, exc=ValueError("401")))
            await vault.wait_for_emptiness()
            await vault.populate({KEY: await logins(settings)})
            await refused
        _, item = vault.select()
        return [*tokens, await token_of(item.info)]

    assert asyncio.run(work()) == ["first", "first", "first", "second"]


def test_the_same_token_waits_longer_each_time(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_LONGEST_PAUSE", 30.0)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def work() -> None:
        logins = Logins()
        for _ in range(10):
            await token_of(await logins(kopf.OperatorSettings()))

    monkeypatch.setattr(asyncio, "sleep", sleep)
    asyncio.run(work())

    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
