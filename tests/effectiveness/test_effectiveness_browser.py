"""Every page in the system's Chromium: narrow and wide, light and dark, by keyboard, and under axe."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright
from serving import serving
from simulated import fill

from kubernaut_datastorage import embedded
from kubernaut_effectiveness.service.following import Follower
from kubernaut_effectiveness.service.pages import create_pages
from kubernaut_effectiveness.service.reading import StorageReader

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)")
PAGES = [
    "/",
    "/targets",
    "/targets/shop/Deployment/email",
    "/signals",
    "/signals/PodOutOfMemory",
    "/actions/kubernetes/rollback_deployment",
    "/patterns",
    "/records/{id}",
    "/targets/unknown",
]
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a monitor over a simulated fleet."""
    folder = tmp_path_factory.mktemp("fleet")
    fill(folder, datetime.now(UTC))
    with ExitStack() as stack:
        follower = Follower(StorageReader(stack.enter_context(embedded(folder)).url))
        stack.callback(follower.stop)
        follower.step()
        yield stack.enter_context(serving(create_pages(follower)))


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    del address  # first the fleet: playwright keeps an event loop in this thread
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


def open_page(browser: Browser, address: str, path: str, **options: Any) -> tuple[Page, list[str]]:
    """Open a page; return it with its faults: errors, and requests that leave the monitor."""
    page = browser.new_context(**options).new_page()
    faults: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "404" not in message.text:
            faults.append(message.text)

    def on_request(request: Request) -> None:
        if not request.url.startswith(address):
            faults.append(request.url)

    page.on("console", on_console)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", on_request)
    if "{id}" in path:
        page.goto(address)
        path = page.locator("#recent td a").first.get_attribute("href") or ""
    page.goto(f"{address}{path}")
    return page, faults


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), pytest.param(1280, "dark", marks=pytest.mark.slow)])
def test_a_page_has_no_fault_fits_and_satisfies_axe(
    browser: Browser, address: str, path: str, width: int, scheme: Scheme
) -> None:
    page, faults = open_page(browser, address, path, viewport={"width": width, "height": 800}, color_scheme=scheme)
    found = Axe().run(page, options=RULES).response["violations"]
    wide = page.evaluate("document.documentElement.scrollWidth")

    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    assert wide <= width
    assert faults == []
    assert page.evaluate("[...document.querySelectorAll('svg[role=img]')].every(one => one.ariaLabel)")
    page.context.close()


@pytest.mark.parametrize("path", PAGES)
def test_without_javascript_a_page_shows_the_same(browser: Browser, address: str, path: str) -> None:
    texts = []
    for enabled in (True, False):
        page, _ = open_page(browser, address, path, java_script_enabled=enabled)
        texts.append(page.inner_text("main"))
        page.context.close()

    assert texts[0] == texts[1]


def test_the_keyboard_alone_reaches_everything_and_its_focus_is_seen(browser: Browser, address: str) -> None:
    page, _ = open_page(browser, address, "/")
    reached: set[str] = set()
    for _ in range(200):
        page.keyboard.press("Tab")
        place = page.evaluate("document.activeElement.getAttribute('href') || document.activeElement.className")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        if place in {"", None} and reached:
            break
        assert outline != "none", place
        reached.add(place)
    links = set(page.evaluate("[...document.querySelectorAll('a')].map(one => one.getAttribute('href'))"))

    assert links <= reached
    page.context.close()


def test_what_is_refreshed_needs_no_reload(browser: Browser, address: str) -> None:
    page, faults = open_page(browser, address, "/")
    with page.expect_response(lambda answer: answer.url.endswith("/status"), timeout=15_000) as answered:
        pass

    assert answered.value.status == 200
    assert faults == []
    page.context.close()


@pytest.mark.skipif("KUBERNAUT_PICTURES" not in os.environ, reason="writes README's pictures: make pictures")
def test_pictures_for_the_readme(browser: Browser, address: str) -> None:
    folder = Path(os.environ["KUBERNAUT_PICTURES"])
    for path, name in (("/", "is-it-helping"), ("/targets/shop/Deployment/email", "target")):
        page, _ = open_page(browser, address, path, viewport={"width": 1240, "height": 860}, color_scheme="light")
        page.screenshot(path=folder / f"{name}.png")
        page.context.close()
