"""The notebook is run anew: each cell works, and what is committed of its outputs is what comes out now."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from simulated import fill

from kubernaut_datastorage import embedded

NOTEBOOK = Path(__file__).parents[2] / "examples" / "demo" / "did-it-help.ipynb"
PASSING = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Days and ids, which go on with the calendar."""


@pytest.fixture(scope="module")
def committed() -> Any:
    """The notebook as it is committed."""
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook as it runs now, on a simulated fleet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DATA_STORAGE_URL", raising=False)
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        notebook = run()
    if "KUBERNAUT_NOTEBOOK" in os.environ:
        notebook.metadata.language_info = {"name": "python"}
        nbformat.write(notebook, NOTEBOOK)
    return notebook


def run() -> Any:
    """Run the notebook, and return it with its outputs."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(notebook, timeout=120, record_timing=False, coalesce_streams=True, resources=resources).execute()
    return notebook


def outputs(notebook: Any) -> list[str]:
    """Return the outputs of all cells as texts, without what goes on with the calendar."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            text = data.get("image/svg+xml") or data.get("text/html") or data.get("text/plain") or output.get("text")
            plain = (text or str(output)).replace("&quot;", '"')  # as IPython writes it before Python 3.13
            found.append(PASSING.sub("…", plain))
    return found


@pytest.mark.skipif("KUBERNAUT_NOTEBOOK" in os.environ, reason="it was written anew: make notebook")
def test_the_committed_outputs_are_those_of_the_code(ran: Any, committed: Any) -> None:
    assert outputs(ran) == outputs(committed), "make notebook writes them anew"


def test_it_says_that_it_is_simulated_and_shows_what_is_true(ran: Any) -> None:
    shown = "\n".join(outputs(ran))

    assert "all that follows is simulated" in ran.cells[0].source
    assert "kubernetes/rollback_deployment: helped 9 times of 10 until a new image came in" in shown
    assert "of incidents on a typical target" in shown
    assert re.search(r"helped: \+\d+ points", shown)
    assert "changed between … and …: " in shown
    assert shown.count("<svg") == 3


def test_no_output_is_an_error_or_a_warning(ran: Any) -> None:
    kinds = {output.get("name", output.output_type) for cell in ran.cells for output in cell.get("outputs", ())}

    assert kinds == {"execute_result", "stdout"}


@pytest.mark.slow
def test_it_reads_a_data_storage_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "fleet", datetime.now(UTC))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    with embedded(tmp_path / "fleet") as service:
        monkeypatch.setenv("DATA_STORAGE_URL", service.url)
        shown = "\n".join(outputs(run()))

    assert "rollback_deployment" in shown
    assert "helped 9 times of 10" not in shown  # the truth of the simulated fleet is not that of this one


@pytest.mark.slow
def test_an_empty_data_storage_is_said_to_be_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    with embedded(tmp_path / "empty") as service:
        monkeypatch.setenv("DATA_STORAGE_URL", service.url)
        with pytest.raises(CellExecutionError, match="Data Storage has no record since "):
            run()
