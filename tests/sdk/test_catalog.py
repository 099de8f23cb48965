"""Finding actions by entry points and in single files; every fault of either is one sentence."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .site_packages import ACTION, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder)


def error(answered: tuple[int, dict[str, Any]]) -> tuple[int, str, str]:
    code, document = answered
    return code, document["error"]["reason"], document["error"]["message"]


def test_only_the_module_of_the_action_is_imported(site: Site) -> None:
    site.package(
        "shop",
        {"shop/open_door": "shop.doors:opening", "shop/close_till": "shop.tills:closing"},
        doors="opening = make('shop/open_door')",
        tills="raise RuntimeError('imported')",
    )

    code, document = site.run("plan", "shop/open_door")
    assert (code, document["status"]) == (0, "unchanged")
    assert error(site.run("plan", "shop/close_till")) == (
        1,
        "ActionUnusable",
        "shop.tills cannot be imported: RuntimeError: imported.",
    )
    code, reason, message = error(site.run("plan", "shop/shut_door"))
    assert (code, reason) == (2, "InvalidInputs")
    assert "no action shop/shut_door here; there is " in message
    assert "shop/close_till, shop/open_door" in message  # and nothing was imported to say so


def test_the_version_is_the_packages(site: Site) -> None:
    site.package("shop", {"shop/open_door": "shop.doors:opening"}, doors="opening = make('shop/open_door')")

    assert site.run("version")[1]["actions"]["shop/open_door"] == "1.5"


@pytest.mark.parametrize(
    ("entries", "doors", "told"),
    [
        (
            {"shop": "shop.doors"},
            "",
            "the entry point shop = shop.doors of shop is not one of an action; write one",
        ),
        ({"shop/open_door": "shop.doors"}, "", "the entry point shop/open_door = shop.doors of shop is not one of an"),
        ({"shop/open_door": "shop.doors:missing"}, "", "shop.doors cannot be imported: AttributeError: "),
        ({"shop/open_door": "shop.doors:make"}, "", "which is no Action."),
        (
            {"shop/open_door": "shop.doors:other"},
            "other = make('shop/shut_door')",
            "the entry point shop/open_door = shop.doors:other of shop names the action shop/shut_door.",
        ),
        (
            {"shop/open_door": "shop.doors:opening"},
            "from kubernaut_sdk import Action; opening = Action('shop/open_door')",
            "shop/open_door has no plan function; an action needs plan and apply.",
        ),
        ({"shop/open_door": "shop.doors:opening"}, "import sys; sys.exit(0)", "cannot be imported: SystemExit: 0."),
        ({"shop/open_door": "shop.doors:opening"}, "def (", "shop.doors cannot be imported: SyntaxError: "),
    ],
)
def test_an_entry_point_that_leads_to_no_action_is_an_error(
    site: Site, entries: dict[str, str], doors: str, told: str
) -> None:
    site.package("shop", entries, doors=doors)

    for verb in ("spec", "plan"):
        code, reason, message = error(site.run(verb, ACTION_TYPE="shop/open_door"))
        assert (code, reason) == (1, "ActionUnusable")
        assert told in message


def test_an_action_that_no_entry_point_names_is_an_error_of_the_spec(site: Site) -> None:
    """Also one that stands in a list, or that a function made."""
    doors = "opening = make('shop/open_door')\n_more = [make('shop/paint_door')]"
    site.package("shop", {"shop/open_door": "shop.doors:opening"}, doors=doors)

    told = "an action shop/paint_door that no entry point of the group kubernaut.actions names: nobody finds it."
    assert error(site.run("spec")) == (1, "ActionUnusable", f"the module shop.making defines {told}")
    assert site.run("plan", "shop/open_door")[0] == 0


@pytest.mark.parametrize("module", ["windows", "walls.north"])
def test_so_it_is_in_a_module_that_nothing_imports(site: Site, module: str) -> None:
    site.package("shop", {"shop/open_door": "shop.doors:a"}, doors='a = make("shop/open_door")')
    folder = site.folder.joinpath("shop", *module.split(".")[:-1])
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    text = 'from shop.making import make\nw = make("shop/open_window")\n'
    (folder / f"{module.rpartition('.')[2]}.py").write_text(text)

    told = "an action shop/open_window that no entry point of the group kubernaut.actions names: nobody finds it."
    assert error(site.run("spec")) == (1, "ActionUnusable", f"the module shop.making defines {told}")
    assert site.run("run", "shop/open_door")[0] == 0


def test_a_program_of_the_package_is_not_run_and_a_module_that_cannot_be_imported_is_passed_over(site: Site) -> None:
    site.package("shop", {"shop/open_door": "shop.doors:a"}, doors='a = make("shop/open_door")')
    (site.folder / "shop" / "__main__.py").write_text("raise SystemExit(3)")
    (site.folder / "shop" / "trials.py").write_text("import no_such_module")
    code, document = site.run("spec")

    assert code == 0
    assert "shop/open_door" in [entry["action_type"] for entry in document["actions"]]


def test_a_type_that_two_packages_bring_is_an_error(site: Site) -> None:
    for name in ("one", "two"):
        site.package(name, {"shop/open_door": f"{name}.doors:opening"}, doors="opening = make('shop/open_door')")

    assert "two packages bring shop/open_door: the entry point " in error(site.run("spec"))[2]


def test_of_a_single_file_every_action_is_found_however_it_is_made(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"{ACTION}\nfound = make('my/open_door')\nmore = [make('my/shut_door')]\nmake('my/paint_door')\n")
    code, document = site.run("spec", ACTION_MODULES=str(file))

    types = [entry["action_type"] for entry in document["actions"] if entry["action_type"].startswith("my/")]
    assert (code, types) == (0, ["my/open_door", "my/paint_door", "my/shut_door"])
    assert site.run("plan", "my/paint_door", ACTION_MODULES=str(file))[0] == 0


def test_two_actions_of_one_type_in_a_file_are_an_error(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"{ACTION}\none = make('my/open_door')\ntwo = make('my/open_door')\n")

    assert error(site.run("plan", "my/open_door", ACTION_MODULES=str(file))) == (
        1,
        "ActionUnusable",
        "mine and mine both define an action my/open_door.",
    )


def test_a_files_action_stands_before_a_packages(site: Site, tmp_path: Path) -> None:
    site.package("shop", {"shop/open_door": "shop.doors:opening"}, doors="raise RuntimeError('imported')")
    file = tmp_path / "mine.py"
    file.write_text(f"{ACTION}\nfound = make('shop/open_door')\n")

    assert site.run("plan", "shop/open_door", ACTION_MODULES=str(file))[0] == 0


def test_a_module_that_is_not_there_is_told_apart_from_one_that_does_not_import(site: Site) -> None:
    (site.folder / "needy.py").write_text("import nothing_of_this_name")

    assert error(site.run("spec", ACTION_MODULES="not_there")) == (
        2,
        "InvalidInputs",
        "ACTION_MODULES: no module not_there.",
    )
    code, _, message = error(site.run("spec", ACTION_MODULES="needy"))
    assert code == 1
    assert message == "needy cannot be imported: ModuleNotFoundError: No module named 'nothing_of_this_name'."


@pytest.mark.parametrize(
    ("action_type", "others"),
    [
        ("kubernetes/cordon_node", ["kubernaut_kubectl.rollouts.goal", "kubernaut_kubectl.workloads"]),
        ("aws/reboot_instances", ["kubernaut_aws.autoscaling"]),
    ],
)
def test_our_own_images_import_only_what_is_needed(action_type: str, others: list[str]) -> None:
    code = f"import sys; from kubernaut_sdk.catalog import find; find({action_type!r}); print([*sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert [name for name in others if repr(name) in loaded] == []
