"""Agent and supervisor in Debian's Chromium, while a real SIP caller talks to a real phone through the whole centre."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.pages import AgentPage, SupervisorPage, chromium
from tests.kit.centre import Centre
from tests.kit.phones import Phones
from tests.kit.wait import until_async
from tests.kit.workers import alone

LANG = {"zh": "zh-CN", "en": "en"}


@alone
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_a_real_call_on_the_page(centre: Centre, many: Phones, language: str, tmp_path: Path) -> None:
    """The agent logs in, gets ready, sees the SIP caller's data, ends after-call work; the board follows within a second."""
    number = {"zh": "13811110001", "en": "13811110002"}[language]
    seat = await many.seat("8001")
    url = centre.endpoints["console"]
    async with chromium() as browser:
        agent = await AgentPage.open(browser, url, language)
        boss = await SupervisorPage.open(browser, url, language)
        assert isinstance(agent, AgentPage)
        assert isinstance(boss, SupervisorPage)
        await agent.login("1001", centre.password("1001"))
        await boss.login("9001", centre.password("9001"))
        assert await agent.page.evaluate("document.documentElement.lang") == LANG[language]
        await agent.press()
        await agent.state("ready")
        await boss.seat("1001", "ready", 1)

        caller = await many.call(number=number, digits="22")
        await seat.talks()
        await agent.state("talking")
        await boss.seat("1001", "talking", 1)
        data = await agent.call_data()
        assert data["caller"] == number
        assert "北京" in data["area"]
        assert len(data["menu"].split("\n")) == 2
        await boss.queue("billing", "talking", "1", 1)
        await caller.hears(seat.voice)
        await agent.picture(tmp_path / f"agent-{language}.png")

        await caller.hang_up()
        await agent.state("after_call")
        await boss.seat("1001", "after_call", 1)
        await agent.press()
        await agent.state("ready")
        await boss.seat("1001", "ready", 1)
        await boss.tab("calls")

        async def can_be_heard() -> bool:  # filing takes a moment after the hang-up
            await boss.search(number=number)
            await boss.calls().first.click()
            await boss.page.wait_for_selector("#detail-caller")
            return await boss.page.locator("#detail audio").count() == 1

        await until_async(can_be_heard, 15, "the recording can be played on the page", 0.5)
        await boss.picture(tmp_path / f"boss-{language}.png")
        await agent.logout()
        await boss.logout()
        for page in (agent, boss):
            await page.close()
