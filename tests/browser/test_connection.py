"""What pages show when the network is lost without a word, and what a mere choice does not do, in a real Chromium."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Dialog, expect

from tests.browser.house import House
from tests.browser.pages import AgentPage, SupervisorPage
from tests.console.desk import PASSWORDS

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


class Silent:
    """A way to the console that can go silent: nothing is closed and nothing passes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.passing = asyncio.Event()
        self.passing.set()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._both, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _both(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.port)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(self._pass(reader, inner_writer), self._pass(inner_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self.passing.wait()
            writer.write(data)
            await writer.drain()
        writer.close()


async def test_a_silent_connection_is_seen(house: House, browser: Browser) -> None:
    """When nothing passes any more and nothing is closed, the page is greyed and says so within 10 s, and goes on when it can."""
    way = Silent(house.config.ports.console)
    async with way.open() as url:
        boss = await SupervisorPage.open(browser, url)
        await boss.login("boss", PASSWORDS["boss"])
        await expect(boss.page.locator(".frame")).not_to_have_class("frame old")
        way.passing.clear()
        await expect(boss.page.locator("#live")).to_have_class("link", timeout=11_000)
        await expect(boss.page.locator(".frame")).to_have_class("frame old")
        way.passing.set()
        await expect(boss.page.locator("#live")).to_have_class("link up", timeout=20_000)
        await expect(boss.page.locator(".frame")).not_to_have_class("frame old")
        await boss.close()


async def test_choosing_forces_nobody(house: House, browser: Browser) -> None:
    """The arrow keys choose a reason for an agent and nothing happens; the button asks, and No leaves the agent ready."""
    agent, boss = await AgentPage.open(browser, house.url), await SupervisorPage.open(browser, house.url)
    assert isinstance(agent, AgentPage) and isinstance(boss, SupervisorPage)
    await agent.login("a1", PASSWORDS["a1"])
    await boss.login("boss", PASSWORDS["boss"])
    await agent.press()
    await boss.seat("a1", "ready")
    await boss.page.focus("#away-a1")
    await boss.page.keyboard.press("ArrowDown")
    await expect(boss.page.locator("#away-go-a1")).to_be_enabled()
    asked: list[str] = []

    async def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await dialog.dismiss()

    boss.page.once("dialog", refuse)
    await boss.page.click("#away-go-a1")
    assert asked and asked[0].startswith("确定将")
    await agent.state("ready")
    await boss.seat("a1", "ready")
    await boss.force_not_ready("a1", "meal")
    await agent.state("not_ready")
    for page in (agent, boss):
        await page.close()


async def test_a_closed_queue_is_marked(house: House, browser: Browser) -> None:
    """A queue that is closed by hand is marked on the board at once, and no longer when it is opened."""
    boss, other = await SupervisorPage.open(browser, house.url), await SupervisorPage.open(browser, house.url)
    for page in (boss, other):
        await page.login("boss", PASSWORDS["boss"])
    mark = boss.page.locator('[data-queue="bills"] h2 .pill')
    await expect(boss.page.locator('[data-queue="bills"] h2')).to_be_visible()
    await expect(mark).to_have_count(0)
    await other.page.click("#tab-rules")
    await other.page.click("#close-queue-bills")
    await other.page.fill("#ask-text", "停电")
    await other.page.click("#ask-ok")
    await expect(mark).to_have_text("紧急关闭")
    await other.page.click("#open-queue-bills")
    await expect(mark).to_have_count(0)
    for page in (boss, other):
        await page.close()


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("width", [1366, 1024, 390])
async def test_no_page_is_wider_than_the_window(house: House, browser: Browser, width: int, language: str) -> None:
    """Agent, board, calls, audit and rules fit in a window: wide tables scroll in themselves, never the page."""
    for user, tabs in (("a1", ()), ("boss", ("board", "calls", "audit", "rules"))):
        page = await SupervisorPage.open(browser, house.url, language, width, 768)
        assert isinstance(page, SupervisorPage)
        await page.login(user, PASSWORDS[user])
        for tab in tabs or ("",):
            if tab:
                await page.tab(tab)
            wide = "Math.max(document.documentElement.scrollWidth, document.querySelector('.main').scrollWidth)"
            assert await page.page.evaluate(wide) <= width, (user, tab)
        await page.close()
