"""A browser, and what each page has to be in it: read by everybody, used by keyboard, without complaint."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, Literal

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

__all__ = ["PATIENCE", "browser", "browsing", "focused", "look", "reach", "visiting"]

CHROMIUM: Final = Path("/usr/bin/chromium")
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE: Final = 30.0  # seconds
SIZES: Final[tuple[ViewportSize, ...]] = ({"width": 1280, "height": 900}, {"width": 390, "height": 844})
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
SERIOUS: Final = frozenset({"serious", "critical"})
_FOCUSED: Final = """() => {
    const it = document.activeElement, style = getComputedStyle(it);
    const name = it.ariaLabel ?? (it.labels?.length ? it.labels[0].innerText : it.innerText) ?? "";
    return [name.replace(/\\s+/g, " ").trim(), style.outlineStyle !== "none"];
}"""


@contextlib.asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A browser for all tests of a folder, whose conftest imports this."""
    if not CHROMIUM.exists():
        pytest.fail(f"there is no {CHROMIUM}: `make chromium` installs it (Debian's package chromium)")
    async with browsing() as browser:
        yield browser


@contextlib.asynccontextmanager
async def visiting(
    browser: Browser, url: str, *, has_script: bool = True, expected: str = ""
) -> AsyncIterator[Page]:
    """A page of somebody with a browser of their own; a complaint fails, but for one with words expected."""
    context = await browser.new_context(base_url=url, java_script_enabled=has_script)
    context.set_default_timeout(PATIENCE * 1000)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
    finally:
        await context.close()
    assert [each for each in complaints if not expected or expected not in each] == []


async def look(
    page: Page, name: str, folder: Path, *, impacts: frozenset[str] = SERIOUS, within: str = "html"
) -> None:
    """Look at a page, or at a dialog on it, in both sizes and in light and dark."""
    folder.mkdir(parents=True, exist_ok=True)
    await page.evaluate(Axe().axe_script)
    for size in SIZES:
        await page.set_viewport_size(size)
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            await page.screenshot(
                path=folder / f"{name}-{size['width']}-{scheme}.png", full_page=within == "html"
            )
            assert await violations(page, impacts, within) == [], (name, size, scheme)
        wide = await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, (name, size)


async def violations(page: Page, impacts: frozenset[str], within: str) -> list[str]:
    script = "within => axe.run(within, {resultTypes: ['violations']})"
    found: dict[str, Any] = await page.evaluate(script, within)
    return [
        f"{each['id']}: {node['html']}"
        for each in found["violations"]
        if each["impact"] in impacts
        for node in each["nodes"]
    ]


async def focused(page: Page) -> str:
    """The name of what has the focus, which has to be seen."""
    name, is_seen = await page.evaluate(_FOCUSED)
    assert is_seen, name
    return str(name)


async def reach(page: Page, name: str, *, within: int = 20) -> None:
    """Press the tabulator until something has the focus."""
    for _ in range(within):
        await page.keyboard.press("Tab")
        if await focused(page) == name:
            return
    pytest.fail(f"no tabulator reaches {name}")
