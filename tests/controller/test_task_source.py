"""The source of the generic Task, as the controller's options and `kubernaut render` name it."""

import pytest
from click.testing import CliRunner

from kubernaut_controller.operator.__main__ import main
from kubernaut_controller.taskref import bundle_task_ref, cluster_task_ref

BUNDLE = f"127.0.0.1:5000/catalog/kubernaut-action@sha256:{'a' * 64}"


def test_a_task_comes_from_a_namespace_or_a_bundle() -> None:
    assert cluster_task_ref("kubernaut-system") == {
        "resolver": "cluster",
        "params": [
            {"name": "kind", "value": "task"},
            {"name": "name", "value": "kubernaut-action"},
            {"name": "namespace", "value": "kubernaut-system"},
        ],
    }
    assert bundle_task_ref(BUNDLE) == {
        "resolver": "bundles",
        "params": [
            {"name": "kind", "value": "task"},
            {"name": "name", "value": "kubernaut-action"},
            {"name": "bundle", "value": BUNDLE},
        ],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--task-namespace=a", f"--task-bundle={BUNDLE}"],
            "--task-namespace and --task-bundle exclude each other; the Task has one source.",
        ),
        (
            ["--task-bundle=ghcr.io/you/action:1"],
            "--task-bundle ghcr.io/you/action:1: name it by digest, such as registry/kubernaut-action@sha256:…",
        ),
    ],
)
def test_a_source_that_is_not_one_is_refused(options: list[str], message: str) -> None:
    ended = CliRunner().invoke(main, options)

    assert ended.exit_code == 2
    assert message in ended.stderr
