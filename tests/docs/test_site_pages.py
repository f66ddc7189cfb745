"""Pages of the site in a browser: at a desk and on a phone, light and dark, and nothing from elsewhere."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from tests.browsing import SERIOUS, browser
from tests.docs.site import ROOT, served

__all__ = ["browser"]

SHOTS: Final = ROOT / ".build" / "screenshots" / "site"
WIDTHS: Final = {"desk": (1280, 900), "phone": (390, 844)}
PAGES: Final = (
    "index.html",
    "settlement.html#3-the-states",
    "reference/checkout.html",
    "files/examples/fastapi_shop.py.html",
)

pytestmark = [pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def address() -> Any:
    with served() as address:
        yield address


def watched(page: Page, address: str) -> list[str]:
    """What goes wrong on a page from now on."""
    wrong: list[str] = []
    page.on(
        "console",
        lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None,
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(f"{request.url} failed"))
    page.on(
        "response",
        lambda answer: wrong.append(f"{answer.url} {answer.status}") if answer.status >= 400 else None,
    )
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((address, "blob:", "data:")) else wrong.append(request.url)
        ),
    )
    return wrong


async def violations(page: Page) -> list[str]:
    found = await Axe().run(page)
    return [
        f"{each['id']}: {each['nodes'][0]['html']}"
        for each in found.response["violations"]
        if each["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
async def test_a_page_is_whole(browser: Browser, address: str, name: str, scheme: Any) -> None:
    page = await browser.new_page(color_scheme=scheme)
    wrong = watched(page, address)
    await page.goto(address + name)
    for place, (width, height) in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": height})
        await page.evaluate("document.getElementById(location.hash.slice(1))?.scrollIntoView()")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place
        SHOTS.mkdir(parents=True, exist_ok=True)
        shot = name.partition("#")[0].removesuffix(".html").replace("/", "-")
        await page.screenshot(path=SHOTS / f"{shot}-{place}-{scheme}.png")
    assert await violations(page) == []
    assert wrong == []
    await page.close()


async def test_a_page_follows_the_system_from_light_to_dark_and_back(browser: Browser, address: str) -> None:
    page = await browser.new_page(color_scheme="light")
    await page.goto(f"{address}index.html")
    steps: tuple[tuple[Literal["dark", "light"], str], ...] = (("dark", "slate"), ("light", "default"))
    for scheme, theme in steps:
        await page.emulate_media(color_scheme=scheme)
        await page.locator(f"body[data-md-color-scheme={theme}]").wait_for()
    await page.close()


async def test_names_in_a_table_are_whole_on_a_phone(browser: Browser, address: str) -> None:
    page = await browser.new_page(viewport={"width": 390, "height": 844})
    await page.goto(f"{address}errors.html")
    name = page.locator("td code", has_text=re.compile("^ReservationAlreadyCharged$"))
    assert await name.evaluate("element => element.getClientRects().length") == 1
    await page.close()


async def test_a_search_finds_a_part_of_a_page(browser: Browser, address: str) -> None:
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    wrong = watched(page, address)
    await page.goto(f"{address}index.html")
    await page.get_by_role("button", name="Search").first.click()
    await page.get_by_placeholder("Search").fill("brake_at")
    await page.get_by_text("TooManyInDoubt").first.click()
    await page.wait_for_url("**/reference/errors.html*#voucher_async.TooManyInDoubt*")
    assert wrong == []
    await page.close()


async def test_the_menu_leads_to_a_page_on_a_phone(browser: Browser, address: str) -> None:
    page = await browser.new_page(viewport={"width": 390, "height": 844})
    wrong = watched(page, address)
    await page.goto(f"{address}index.html")
    way = (
        page.locator("label.md-header__button[for=__drawer]"),
        page.locator(".md-nav--primary label.md-nav__link", has_text="Reference"),
        page.locator(".md-nav--primary label.md-nav__link", has_text="Python"),
        page.locator(".md-nav--primary a.md-nav__link", has_text=re.compile(r"^\s*Checkout\s*$")),
    )
    for step in way:
        await step.first.click()
        # a menu that still moves would be under the next click a moment later
        await page.wait_for_function("document.getAnimations().every(each => each.playState !== 'running')")
    await page.wait_for_url("**/reference/checkout.html")
    assert wrong == []
    await page.close()
