"""The kit without its extras: importing the plugin is cheap, and records go to the kit's own store."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from kubernaut_conformance.memory_store import MemoryStore
from kubernaut_sdk.ids import mint
from kubernaut_sdk.storage import StorageClient

from .test_checks import run_checks


def test_the_plugin_imports_nothing_of_the_kit_before_a_scenario_file_is_collected() -> None:
    code = "import sys; old = set(sys.modules); import pytest, kubernaut_conformance.plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    ours = {name for name in loaded if name.startswith("kubernaut")}
    assert ours == {"kubernaut_conformance", "kubernaut_conformance.plugin"}
    assert not {"pydantic", "jsonschema", "yaml", "docker", "kubernetes", "sqlalchemy"} & set(loaded)


def test_examining_installed_actions_needs_neither_docker_nor_data_storage() -> None:
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['docker', 'requests', 'kubernaut_datastorage', 'kubernaut_controller']))\n"
        "import kubernaut_conformance.examine, kubernaut_conformance.installed, kubernaut_conformance.report"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_checks_of_records_pass_with_the_kits_own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubernaut_conformance.examine.find_spec", lambda _name: None)
    only = ["record-complete", "told-twice-one-record"]
    results = run_checks("", only=only)

    assert {result.check.name: (result.outcome, result.message) for result in results} == dict.fromkeys(
        only, ("passed", "")
    )


@pytest.fixture
def client() -> Iterator[StorageClient]:
    """A client of a store in memory."""
    store = MemoryStore()
    client = StorageClient(store.url)
    yield client
    client.close()
    store.close()


def event(record_id: object, state: str, **fields: Any) -> dict[str, Any]:
    return {"id": str(record_id), "attempt": 0, "at": "2026-01-01T00:00:00Z", "state": state, **fields}


def test_a_record_has_the_fields_of_its_events_and_the_highest_state_wins(client: StorageClient) -> None:
    record_id = mint()
    later, earlier = event(record_id, "succeeded", changed=True), event(record_id, "started", step="a")
    outcomes = client.post([later, earlier, later], 5)
    record = client.read(record_id, 5)

    assert [outcome["outcome"] for outcome in outcomes] == ["stored", "merged", "duplicate"]
    assert record is not None
    assert (record["state"], record["changed"], record["step"]) == ("succeeded", True, "a")
    assert client.read(mint(), 5) is None


def test_an_invalid_event_is_refused_as_the_service_does(client: StorageClient) -> None:
    record_id = mint()
    [outcome] = client.post([event(record_id, "finished")], 5)

    assert (outcome["id"], outcome["outcome"]) == (str(record_id), "refused")
    assert client.read(record_id, 5) is None
