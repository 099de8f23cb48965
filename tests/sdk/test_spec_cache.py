"""The cache of the verb `spec`: it never says anything else than the code does."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kubernaut_sdk import catalog
from kubernaut_sdk.program import speccache

from .site_packages import Site

PACKAGE = "shop_of_cache"
"""Imported by no other test: the fingerprint would find another test's package of the same name in sys.modules."""
DOORS = """
import os, pathlib
with pathlib.Path(os.environ["IMPORTS"]).open("a") as log:
    log.write("doors ")
opening = make('shop/open_door')
"""


class SpecSite(Site):
    """A site with a cache of its own, beside bytecode that is compiled once for all tests."""

    def __init__(self, folder: Path, bytecode: Path) -> None:
        super().__init__(folder)
        self.bytecode, self.imports = bytecode, folder.parent / "imports"
        self.imports.write_text("")
        for file in bytecode.rglob(speccache.spec_file().name):
            file.unlink()

    def spec(self, **env: str) -> str:
        """Return what `spec` prints."""
        own = {"PYTHONPATH": str(self.folder), "PYTHONPYCACHEPREFIX": str(self.bytecode), "IMPORTS": str(self.imports)}
        argv = [sys.executable, "-m", "kubernaut_sdk", "spec"]
        done = subprocess.run(argv, env={"PATH": os.environ["PATH"], **own, **env}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def cached(self) -> list[Path]:
        """Return the file of the cache, if it is there."""
        return list(self.bytecode.rglob(speccache.spec_file().name))

    def imported(self) -> int:
        """Return how often the module of the action was imported."""
        return self.imports.read_text().count("doors")


@pytest.fixture(scope="module")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def site(tmp_path: Path, bytecode: Path) -> SpecSite:
    folder = tmp_path / "site"
    folder.mkdir()
    made = SpecSite(folder, bytecode)
    made.package(PACKAGE, {"shop/open_door": f"{PACKAGE}.doors:opening"}, doors=DOORS)
    return made


def test_the_second_time_nothing_is_imported_and_the_same_is_printed(site: SpecSite) -> None:
    first, second = site.spec(), site.spec()

    assert first == second
    assert site.imported() == 1
    [file] = site.cached()
    assert [each["action_type"] for each in json.loads(file.read_text())["actions"]] == [
        each["action_type"] for each in json.loads(first)["actions"]
    ]
    assert '"shop/open_door"' in first


def change_helper(folder: Path) -> None:
    file = folder / PACKAGE / "making.py"
    file.write_text(file.read_text().replace("Do nothing.", "Do as little."))


def change_data(folder: Path) -> None:
    (folder / PACKAGE / "prices.json").write_text("{}")


def change_version(folder: Path) -> None:
    (folder / f"{PACKAGE}-1.5.dist-info").rename(folder / f"{PACKAGE}-1.6.dist-info")


def change_entries(folder: Path) -> None:
    file = folder / f"{PACKAGE}-1.5.dist-info" / "entry_points.txt"
    file.write_text(file.read_text() + f"shop/shut_door = {PACKAGE}.doors:opening\n")


def change_library(folder: Path) -> None:
    (folder / "something_else-2026.2.dist-info").mkdir()


CHANGES = [change_helper, change_data, change_version, change_entries, change_library]


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_what_is_installed_changes_the_fingerprint(
    site: SpecSite, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    monkeypatch.syspath_prepend(str(site.folder))

    def fingerprint() -> str:
        importlib.invalidate_caches()
        return speccache.fingerprint(catalog.installed_entries().values())

    before, same = fingerprint(), fingerprint()
    change(site.folder)

    assert before == same != fingerprint()
    assert PACKAGE not in sys.modules


def test_after_a_change_or_with_a_file_that_is_no_cache_it_is_made_anew(site: SpecSite) -> None:
    before = site.spec()
    change_helper(site.folder)
    after = site.spec()
    [file] = site.cached()
    key = json.loads(file.read_text())["fingerprint"]

    assert before != after
    assert "Do as little." in after
    for number, text in enumerate(["{", "[]", json.dumps({"fingerprint": key, "actions": 1})]):
        file.write_text(text)
        assert site.spec() == after
        assert site.imported() == 3 + number


def test_what_must_not_be_kept_is_not(site: SpecSite, tmp_path: Path) -> None:
    site.spec(PYTHONDONTWRITEBYTECODE="1")
    site.spec(ACTION_MODULES=str(site.folder / PACKAGE / "doors.py"))
    (site.folder / PACKAGE / "broken.py").write_text("import no_such_module")
    site.spec()

    assert site.cached() == []
    assert site.imported() == 4  # as a file it is one more


def test_a_folder_that_cannot_be_written_is_no_fault(site: SpecSite) -> None:
    first = site.spec()
    [file] = site.cached()
    file.unlink()
    file.mkdir()  # root may write everywhere, but not over a folder
    (file / "something").touch()

    assert site.spec() == first
    assert [path.name for path in file.parent.iterdir() if path.name.startswith(file.name)] == [file.name]
    shutil.rmtree(file)


def test_our_own_actions_are_cached_as_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(speccache, "spec_file", lambda: tmp_path / "spec.json")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    expected = catalog.spec(catalog.all_actions())

    assert speccache.installed_spec() == expected
    assert (tmp_path / "spec.json").is_file()
    assert speccache.installed_spec() == expected
