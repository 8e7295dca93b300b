"""The console's pages as tests use them. Made for any running console: give its URL."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOCALES = {"zh": "zh-CN", "en": "en-US"}


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium without a window."""
    async with async_playwright() as tool:
        # Chromium's socket is in its TMPDIR, and its path may be no longer than 107 bytes.
        browser = await tool.chromium.launch(executable_path=CHROMIUM, args=ARGS, env={**os.environ, "TMPDIR": "/tmp"})
        try:
            yield browser
        finally:
            await browser.close()


class ConsolePage:
    """One browser window (with cookies of its own) on the console."""

    def __init__(self, page: Page, context: BrowserContext, url: str) -> None:
        self.page, self.context, self.url = page, context, url
        self.errors: list[str] = []  # what went wrong in scripts
        self.foreign: list[str] = []  # requests that left the console
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: None if _own(request.url, url) else self.foreign.append(request.url))

    @classmethod
    async def open(cls, browser: Browser, url: str, language: str = "zh", width: int = 1280, height: int = 800) -> ConsolePage:
        """A new window with the language of the browser."""
        context = await browser.new_context(viewport={"width": width, "height": height}, locale=LOCALES[language])
        made = cls(await context.new_page(), context, url)
        await made.page.goto(url)
        return made

    async def login(self, user: str, password: str) -> None:
        """Log in and wait for the view."""
        await self.page.fill("#user", user)
        await self.page.fill("#password", password)
        await self.page.click("#enter")
        await self.page.wait_for_selector(".frame")
        await expect(self.page.locator("#live")).to_have_class("link up")

    async def choose_password(self, old: str, new: str) -> None:
        """Change the own password, on the page of the first log-in or in the dialog."""
        await self.page.fill("#old-password", old)
        await self.page.fill("#new-password", new)
        await self.page.fill("#again-password", new)
        await self.page.click("#change")

    async def language(self, name: str) -> None:
        """Switch to zh or en."""
        await self.page.click(f"#language-{name}")

    async def logout(self) -> None:
        """Log out and wait for the log-in page."""
        await self.page.click("#logout")
        await self.page.wait_for_selector("#user")

    async def picture(self, path: Path) -> None:
        """A screenshot."""
        path.parent.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=path)

    async def close(self) -> None:
        """Close the window; scripts must not have failed and nothing may have been asked of anybody else."""
        await self.context.close()
        assert (self.errors, self.foreign) == ([], [])


class AgentPage(ConsolePage):
    """What an agent sees and presses."""

    async def state(self, name: str, seconds: float = 5) -> None:
        """Wait until the own state is `name` (ready, not_ready, offered, talking, after_call, logged_out)."""
        await expect(self.page.locator(".status")).to_have_attribute("data-state", name, timeout=seconds * 1000)

    async def press(self) -> None:
        """The big button: start work, ready, not ready, end after-call work."""
        await self.page.click("#main-action")

    async def not_ready(self, reason: str) -> None:
        """A reason's button."""
        await self.page.click(f"#reason-{reason}")

    def caller(self) -> Locator:
        """The caller's number on the call card."""
        return self.page.locator("#caller")

    async def call_data(self) -> dict[str, str]:
        """What the call card shows."""
        await self.caller().wait_for()
        parts = {
            "caller": "#caller",
            "area": "#area",
            "queue": "#call-queue dd",
            "wait": "#call-wait dd",
            "language": "#call-language dd",
        }
        parts |= {"called": "#call-called dd", "menu": "#call-menu dd"}
        return {name: (await self.page.locator(where).inner_text()).strip() for name, where in parts.items()}


class SupervisorPage(ConsolePage):
    """What a supervisor sees and presses."""

    async def seat(self, agent: str, state: str, seconds: float = 5) -> None:
        """Wait until the board shows this agent in this state."""
        row = self.page.locator(f'#seats tr[data-agent="{agent}"]')
        await expect(row).to_have_attribute("data-state", state, timeout=seconds * 1000)

    def row(self, agent: str) -> Locator:
        """The agent's row."""
        return self.page.locator(f'#seats tr[data-agent="{agent}"]')

    async def queue(self, queue: str, figure: str, value: str, seconds: float = 5) -> None:
        """Wait until a queue's card shows a figure (waiting, ready, talking)."""
        await expect(self.page.locator(f'[data-queue="{queue}"] .{figure} dd')).to_have_text(value, timeout=seconds * 1000)

    async def force_not_ready(self, agent: str, reason: str) -> None:
        """Make an agent not ready, saying yes to the question."""
        await self.page.select_option(f"#away-{agent}", reason)
        self.page.once("dialog", lambda dialog: dialog.accept())
        await self.page.click(f"#away-go-{agent}")

    async def force_logout(self, agent: str) -> None:
        """Log an agent out, saying yes to the question."""
        self.page.once("dialog", lambda dialog: dialog.accept())
        await self.page.click(f"#out-{agent}")

    async def tab(self, name: str) -> None:
        """board, calls or audit."""
        await self.page.click(f"#tab-{name}")

    async def search(self, **fields: str) -> None:
        """Search the call list: number=, agent=, queue=, outcome=."""
        for name, value in fields.items():
            if name == "number":
                await self.page.fill("#f-number", value)
            else:
                await self.page.select_option(f"#f-{name}", value)
        await self.page.click("#search")

    def calls(self) -> Locator:
        """Rows of the call list."""
        return self.page.locator("#calls tbody tr")

    async def open_call(self, call: str) -> None:
        """Show one call beside the list."""
        await self.page.click(f'#calls tr[data-call="{call}"]')
        await self.page.wait_for_selector("#detail-caller")


def _own(asked: str, url: str) -> bool:
    return asked.startswith((url, url.replace("http", "ws", 1), "data:", "blob:"))
