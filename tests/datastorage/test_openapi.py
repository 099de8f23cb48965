"""The interface is what its description says."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
from starlette.routing import Route

from kubernaut_datastorage import embedded
from kubernaut_datastorage.http.api import create_app
from kubernaut_datastorage.http.openapi import document
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite

ROOT = Path(__file__).parents[2]


def test_the_description_in_the_repository_is_fresh() -> None:
    kept = (ROOT / "datastorage" / "openapi.json").read_text()

    assert json.loads(kept) == json.loads(json.dumps(document())), "run `make openapi`"


def test_every_route_is_described(tmp_path: Path) -> None:
    described = {(path, method.upper()) for path, item in document()["paths"].items() for method in item}
    engine = open_sqlite(tmp_path)
    routes = [route for route in create_app(SqliteStore(engine)).routes if isinstance(route, Route)]
    engine.dispose()
    served = {(route.path, method) for route in routes for method in route.methods or ()}

    # each GET answers HEAD too, and the description does not describe itself
    assert {(path, method) for path, method in served if method != "HEAD"} - {("/openapi.json", "GET")} == described


def test_it_is_served(tmp_path: Path) -> None:
    with embedded(tmp_path) as service:
        answer = httpx.get(f"{service.url}/openapi.json", trust_env=False).json()

    assert answer["openapi"] == "3.1.0"
    assert answer["paths"].keys() == document()["paths"].keys()
    assert create_app.__doc__


def test_requests_made_from_the_description_are_answered_as_it_says(tmp_path: Path) -> None:
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    with embedded(tmp_path / "data") as service:
        argv = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{service.url}/openapi.json"]
        argv += ["--checks", checks, "--max-examples=8", "--phases=coverage,fuzzing", "--seed=1"]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
