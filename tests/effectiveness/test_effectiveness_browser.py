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
SLOW_PAGES = [pytest.param(path, marks=pytest.mark.slow) for path in PAGES if path != "/"]
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
UNNAMED_PICTURES = """
[...document.querySelectorAll('svg')]
  .filter(one => one.getAttribute('aria-hidden') !== 'true' && !(one.role === 'img' && one.ariaLabel?.trim()))
  .map(one => one.outerHTML.slice(0, 200))
"""
"""Pictures that are neither named nor hidden from those who hear a page."""
REACHABLE = """
(() => {
  const wanted = document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]');
  const shown = [...wanted].filter(one => one.type !== 'hidden' && one.checkVisibility());
  shown.forEach((one, place) => { one.dataset.place = place; });
  return shown.map(one => one.outerHTML.slice(0, 200));
})()
"""
"""Marks all that the keyboard must reach with its place, and returns it."""
FOCUSED = """
new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  return {
    place: one.dataset.place ?? null,
    outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    text: one.outerHTML.slice(0, 200),
  };
})
"""
"""Returns the element that has the focus and how it is seen, once the browser has scrolled to it."""
CUT_OFF = """
[...document.querySelectorAll('main *')]
  .filter(one => !one.closest('svg, .scroll') && one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0
    && getComputedStyle(one).overflowX !== 'visible')
  .map(one => one.outerHTML.slice(0, 200))
"""
"""Returns what is wider than its place, but for what is scrolled on purpose."""
Scheme = Literal["light", "dark"]


TOKEN = "a-token-of-this-test"


@pytest.fixture(scope="module")
def follower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Follower]:
    """The follower of a simulated fleet."""
    folder = tmp_path_factory.mktemp("fleet")
    fill(folder, datetime.now(UTC))
    with ExitStack() as stack:
        follower = Follower(StorageReader(stack.enter_context(embedded(folder)).url))
        stack.callback(follower.stop)
        follower.step()
        yield follower


@pytest.fixture(scope="module")
def address(follower: Follower) -> Iterator[str]:
    """The address of a monitor."""
    with serving(create_pages(follower)) as url:
        yield url


@pytest.fixture(scope="module")
def guarded_address(follower: Follower) -> Iterator[str]:
    """The address of a monitor that wants a token."""
    with serving(create_pages(follower, TOKEN)) as url:
        yield url


@pytest.fixture(scope="module")
def browser(address: str, guarded_address: str) -> Iterator[Browser]:
    del address, guarded_address  # first the fleet: playwright keeps an event loop in this thread
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
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), pytest.param(1280, "dark", marks=pytest.mark.slow)])
def test_a_page_has_no_fault_fits_and_satisfies_axe(
    browser: Browser, address: str, path: str, width: int, scheme: Scheme
) -> None:
    page, faults = open_page(browser, address, path, viewport={"width": width, "height": 800}, color_scheme=scheme)
    found = Axe().run(page, options=RULES).response["violations"]
    wide = page.evaluate("document.documentElement.scrollWidth")

    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    assert wide <= width
    assert faults == []
    assert page.evaluate(UNNAMED_PICTURES) == []
    page.context.close()


@pytest.mark.parametrize("path", ["/", *SLOW_PAGES])
def test_with_the_text_spacing_of_wcag_nothing_is_cut_off(browser: Browser, address: str, path: str) -> None:
    """Success criterion 1.4.12: lines, letters, words and paragraphs are further apart by a reader's own style."""
    size: Any = {"width": 320, "height": 800}
    page, _ = open_page(browser, address, path, viewport=size, bypass_csp=True)
    page.add_style_tag(
        content="* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; } "
        "p { margin-bottom: 2em !important; }"
    )

    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate(CUT_OFF) == []
    page.context.close()


def test_on_a_narrow_screen_nothing_of_an_action_type_is_beside_it(browser: Browser, address: str) -> None:
    """A reader who must scroll sideways does not see the alarm; each number has its heading."""
    page, _ = open_page(browser, address, "/", viewport={"width": 320, "height": 800})
    [wide, room] = page.evaluate(
        "(one => [one.scrollWidth, one.clientWidth])(document.querySelector('.actions .scroll'))"
    )
    unnamed = page.evaluate(
        "[...document.querySelectorAll('.actions td:has(svg)')].filter(one => !one.dataset.label).length"
    )

    assert wide <= room
    assert unnamed == 0
    assert page.get_by_role("row").filter(has_text="alarm of").count() == 1
    page.context.close()


@pytest.mark.parametrize("path", ["/", *SLOW_PAGES])
def test_without_javascript_a_page_shows_the_same(browser: Browser, address: str, path: str) -> None:
    texts = []
    for enabled in (True, False):
        page, _ = open_page(browser, address, path, java_script_enabled=enabled)
        texts.append(page.inner_text("main"))
        page.context.close()

    assert texts[0] == texts[1]


@pytest.mark.parametrize("path", ["/", "/login", *SLOW_PAGES])
def test_the_keyboard_alone_reaches_everything_and_its_focus_is_seen(browser: Browser, address: str, path: str) -> None:
    """Tab comes to each link, control and scrolled part once, in the order of the page, with an outline in sight."""
    size: Any = {"width": 900, "height": 600}
    page, _ = open_page(browser, address, path, viewport=size, reduced_motion="reduce")  # no scroll takes time
    wanted = page.evaluate(REACHABLE)
    reached: list[int] = []
    for _ in wanted:
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["outlined"], f"no outline: {focused['text']}"
        assert focused["inside"], f"out of sight: {focused['text']}"
        reached.append(int(focused["place"]))

    assert wanted
    assert [wanted[place] for place in reached] == wanted
    page.context.close()


def test_a_person_logs_in_by_keyboard_and_follows_a_link(browser: Browser, guarded_address: str) -> None:
    page, faults = open_page(browser, guarded_address, "/signals")
    assert page.url == f"{guarded_address}/login?next=/signals"
    page.locator("#token").focus()
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{guarded_address}/signals")
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    page.locator("nav a[href='/patterns']").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{guarded_address}/patterns")
    assert faults == []
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
