"""Agents and supervisors in a real Chromium, on a real console, router and Redis; only the media node is played by the test."""

from __future__ import annotations

import time

import pytest
from playwright.async_api import Browser, expect

from tests.browser.house import House
from tests.browser.node import Node
from tests.browser.pages import AgentPage, SupervisorPage
from tests.console.desk import PASSWORDS
from tests.kit.workers import alone

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
WORDS = {
    "zh": {"lang": "zh-CN", "queue": "账单查询", "menu": ["账单", "详单"], "ready": "就绪", "language": "中文"},
    "en": {"lang": "en", "queue": "Bills", "menu": ["Bill", "Statement"], "ready": "Ready", "language": "Chinese"},
}
AREA = "四川 成都 · 中国移动"


async def agent_at(browser: Browser, house: House, user: str = "a1", language: str = "zh") -> AgentPage:
    page = await AgentPage.open(browser, house.url, language)
    assert isinstance(page, AgentPage)
    await page.login(user, PASSWORDS[user])
    return page


async def boss_at(browser: Browser, house: House, language: str = "zh") -> SupervisorPage:
    page = await SupervisorPage.open(browser, house.url, language)
    assert isinstance(page, SupervisorPage)
    await page.login("boss", PASSWORDS["boss"])
    return page


@alone
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_a_call_from_ready_to_after_call(house: House, node: Node, browser: Browser, language: str) -> None:
    """An agent gets ready, sees the call with its data, talks, ends after-call work; the board follows each within a second."""
    words = WORDS[language]
    agent, boss = await agent_at(browser, house, language=language), await boss_at(browser, house, language)
    assert await agent.page.evaluate("document.documentElement.lang") == words["lang"]
    await agent.state("not_ready")
    await agent.press()
    await agent.state("ready")
    await boss.seat("a1", "ready", 1)
    await boss.queue("bills", "ready", "1", 1)
    await expect(boss.row("a1").locator(".pill")).to_have_text(str(words["ready"]))

    caller = node.call("13812345678")
    await agent.state("offered", 2)
    data = await agent.call_data()
    assert data["caller"] == "13812345678" and data["area"] == AREA and data["queue"] == words["queue"]
    assert data["called"] == "95500" and data["language"] == words["language"] and data["menu"].split("\n") == words["menu"]
    await boss.seat("a1", "offered", 1)
    await expect(boss.row("a1").locator(".col-call .number")).to_have_text("13812345678")

    await node.answer(caller)
    await agent.state("talking", 2)
    await boss.seat("a1", "talking", 1)
    await boss.queue("bills", "talking", "1", 1)
    node.hang_up(caller)
    await agent.state("after_call", 2)
    await boss.seat("a1", "after_call", 1)
    await expect(agent.caller()).to_have_text("13812345678")
    await agent.press()
    await agent.state("ready")
    await expect(agent.caller()).to_have_count(0)
    await boss.seat("a1", "ready", 1)
    await boss.queue("bills", "talking", "0", 1)

    await boss.tab("calls")
    await boss.open_call(caller.id)
    await expect(boss.page.locator("#detail .part")).to_have_count(2)  # the queue and the agent
    for page in (agent, boss):
        await page.close()
    assert node.refused == []


@alone
async def test_waiting_callers_on_the_board(house: House, node: Node, browser: Browser) -> None:
    """Callers that wait show on the queue's card within a second, who is to be called back beside them, and go when an agent
    takes them."""
    boss, agent = await boss_at(browser, house), await agent_at(browser, house)
    await agent.state("not_ready")
    callers = [node.call(f"1390000000{n}") for n in range(3)]
    await boss.queue("bills", "waiting", "3", 1.5)
    await expect(boss.page.locator('[data-queue="bills"] .oldest dd')).not_to_have_text("–")
    node.wish(callers[0])
    await boss.queue("bills", "waiting", "2", 1.5)
    await expect(boss.page.locator('[data-queue="bills"] .back')).to_have_text("另有 1 个待回电")
    await agent.press()
    await boss.queue("bills", "waiting", "2", 1.5)
    offer = await node.answer(callers[0])
    assert offer.agent == "a1" and offer.seat == "8001"
    await agent.state("talking")
    for page in (agent, boss):
        await page.close()


async def test_wishes_during_a_call(house: House, node: Node, browser: Browser) -> None:
    """A reason pressed while talking takes effect after the call, can be undone, and a supervisor's order works the same way."""
    agent, boss = await agent_at(browser, house), await boss_at(browser, house)
    await agent.press()
    caller = node.call("13812345678")
    await node.answer(caller)
    await agent.state("talking")
    await agent.not_ready("meal")
    await expect(agent.page.locator(".wish")).to_contain_text("用餐")
    await agent.page.click("#undo-next")
    await expect(agent.page.locator(".wish")).to_have_count(0)
    await boss.seat("a1", "talking")
    await boss.force_not_ready("a1", "break")
    await expect(agent.page.locator(".wish")).to_contain_text("小休")
    node.hang_up(caller)
    await agent.state("after_call")
    await agent.press()
    await agent.state("not_ready")
    await expect(agent.page.locator(".state-why")).to_have_text("小休")
    for page in (agent, boss):
        await page.close()


async def test_forced_logout_and_back(house: House, browser: Browser) -> None:
    """A supervisor logs an agent out; the agent's page says so and the agent can start work again."""
    agent, boss = await agent_at(browser, house), await boss_at(browser, house)
    await boss.seat("a1", "not_ready")
    await boss.force_logout("a1")
    await agent.state("logged_out", 2)
    await boss.seat("a1", "logged_out", 1)
    await agent.press()
    await agent.state("not_ready")
    for page in (agent, boss):
        await page.close()


async def test_two_browsers_of_one_agent(house: House, browser: Browser) -> None:
    """Two browsers of one agent show the same; log-out in one is seen in the other."""
    first, second = await agent_at(browser, house), await agent_at(browser, house, language="en")
    await first.press()
    await first.state("ready")
    await second.state("ready", 1)
    await second.logout()
    await first.state("logged_out", 2)
    for page in (first, second):
        await page.close()


async def test_language_switch_is_kept(house: House, browser: Browser) -> None:
    """The language changes at once, sets the document's, survives a reload, and loses nothing of the state."""
    agent = await agent_at(browser, house)
    await agent.press()
    await agent.state("ready")
    await agent.language("en")
    await expect(agent.page.locator("#state-now")).to_have_text("Ready")
    assert await agent.page.evaluate("document.documentElement.lang") == "en"
    await agent.page.reload()
    await expect(agent.page.locator("#state-now")).to_have_text("Ready")
    await agent.language("zh")
    await expect(agent.page.locator("#state-now")).to_have_text("就绪")
    await agent.close()


async def test_router_away_and_back(house: House, browser: Browser) -> None:
    """With the router killed the page says so and refuses with words; when it is back the page goes on by itself."""
    agent, boss = await agent_at(browser, house), await boss_at(browser, house)
    await agent.press()
    await agent.state("ready")
    house.kill("router")
    await expect(boss.page.locator(".bar")).to_be_visible(timeout=8000)
    await agent.press()
    await expect(agent.page.locator(".toast")).to_contain_text("路由服务没有应答", timeout=8000)
    house.spawn("router")
    await expect(boss.page.locator(".bar")).to_be_hidden(timeout=10_000)
    await agent.press()
    await agent.state("not_ready")
    for page in (agent, boss):
        await page.close()


async def test_console_restart_keeps_the_session(house: House, browser: Browser) -> None:
    """A console that dies and comes back: the page reconnects by itself and is still logged in."""
    agent = await agent_at(browser, house)
    await agent.press()
    await agent.state("ready")
    house.kill("console")
    await expect(agent.page.locator("#live")).to_have_class("link")
    house.spawn("console")
    await expect(agent.page.locator("#live")).to_have_class("link up", timeout=15_000)
    await agent.not_ready("meal")
    await agent.state("not_ready")
    await agent.close()


async def test_keyboard_only(house: House, browser: Browser) -> None:
    """An agent logs in and gets ready with the keyboard alone."""
    agent = await AgentPage.open(browser, house.url, "en")
    assert isinstance(agent, AgentPage)
    keys = agent.page.keyboard
    await expect(agent.page.locator("#user")).to_be_focused()
    await keys.type("a1")
    await keys.press("Tab")
    await keys.type(PASSWORDS["a1"])
    await keys.press("Enter")
    await agent.state("not_ready")
    end = time.monotonic() + 5
    while await agent.page.evaluate("document.activeElement.id") != "main-action":
        assert time.monotonic() < end
        await keys.press("Tab")
    await keys.press("Enter")
    await agent.state("ready")
    await expect(agent.page.locator("#main-action")).to_be_focused()
    await agent.close()
