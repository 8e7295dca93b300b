"""Supervisors change the rules on the page: a draft, its check, the history, closing at once, in a real Chromium."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from ops import rulebook
from tests.browser.house import House
from tests.browser.pages import AgentPage, SupervisorPage
from tests.console.desk import PASSWORDS

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


async def boss_at(browser: Browser, house: House, language: str) -> SupervisorPage:
    page = await SupervisorPage.open(browser, house.url, language, width=1500, height=900)
    assert isinstance(page, SupervisorPage)
    await page.login("boss", PASSWORDS["boss"])
    await page.tab("rules")
    await page.page.wait_for_selector("#table-queue")
    return page


async def apply(boss: SupervisorPage, why: str) -> None:
    await boss.page.click("#rules-apply")
    await boss.page.fill("#ask-text", why)
    await boss.page.click("#ask-ok")


async def picture(boss: SupervisorPage, name: str) -> None:
    """Kept where TIERLINE_PICTURES says, for the documents."""
    if folder := os.environ.get("TIERLINE_PICTURES"):
        await boss.picture(Path(folder) / f"{name}.png")


async def test_a_change_from_draft_to_history(house: House, browser: Browser) -> None:
    """Edit, be told a mistake by its place, mend it, see what changes, apply, find it in the history, take it back."""
    agent = await AgentPage.open(browser, house.url)
    await agent.login("a1", PASSWORDS["a1"])
    boss = await boss_at(browser, house, "zh")
    page = boss.page
    await expect(page.locator("#rules-force")).to_have_attribute("data-state", "ready")
    before = int("".join(filter(str.isdigit, await page.inner_text("#rules-version"))))
    await page.fill("#queue-0-priority", "120")
    await page.fill("#queue-0-ladder", "0 city 3; 20 centre")
    await page.fill("#queue-0-zh", "账单与查询")
    await page.fill("#queue-0-en", "Bills etc")
    await page.press("#queue-0-en", "Tab")
    await page.click("#rules-apply")
    await expect(page.locator("#rules-mistakes")).to_contain_text("queue[1].priority")
    await page.fill("#queue-0-priority", "12")
    await page.fill("#queue-0-ladder", "0 town 3")
    await page.press("#queue-0-ladder", "Tab")
    await expect(page.locator("#queue-0-ladder")).to_have_attribute("aria-invalid", "true")
    await page.fill("#queue-0-ladder", "0 city 3; 20 centre")
    await page.press("#queue-0-ladder", "Tab")
    await page.click("#rules-agent")
    await page.fill("#agent-1-skills", "bills=1, bills=5")
    await page.press("#agent-1-skills", "Tab")
    await expect(page.locator("#agent-1-skills")).to_have_attribute("aria-invalid", "true")
    await page.fill("#agent-1-skills", "")
    await page.press("#agent-1-skills", "Tab")
    await page.click("#rules-apply")
    await expect(page.locator(".dialog .change")).to_have_count(5)
    await picture(boss, "rules-check-zh")
    await page.fill("#ask-text", "season")
    await page.click("#ask-ok")
    await expect(page.locator("#rules-version")).to_contain_text(str(before + 1))
    await expect(agent.page.locator(".frame")).to_be_visible()
    await page.click("#rules-history")
    await expect(page.locator(f'#rules-versions tr[data-version="{before + 1}"]')).to_contain_text("season")
    await page.click(f"#version-{before + 1}")
    await expect(page.locator("#rules-detail .change")).to_have_count(5)
    await picture(boss, "rules-history-zh")
    await page.click("#version-1")
    await page.click("#rules-restore")
    await apply(boss, "back")
    await expect(page.locator("#rules-version")).to_contain_text(str(before + 2))
    await expect(page.locator("#queue-0-priority")).to_have_value("0")
    await picture(boss, "rules-zh")
    await boss.tab("board")
    await expect(page.locator('[data-queue="bills"] h2')).to_have_text("账单查询")
    await boss.close()
    await agent.close()


async def test_closing_at_once_newcomers_and_files(house: House, browser: Browser, tmp_path: Path) -> None:
    """A queue is closed and opened by a button; a new agent's passwords are shown and work; an exported file is imported again."""
    boss = await boss_at(browser, house, "zh")
    page = boss.page
    await page.click("#close-queue-bills")
    await page.fill("#ask-text", "停电")
    await page.click("#ask-ok")
    await expect(page.locator("#open-queue-bills")).to_contain_text("停电")
    await expect(page.locator('[data-row="bills"] .pill')).to_have_text("紧急关闭")
    await page.click("#open-queue-bills")
    await expect(page.locator("#close-queue-bills")).to_be_visible()

    await page.click("#rules-agent")
    await page.click("#rules-add")
    for name, value in (("id", "a9"), ("name", "赵六"), ("seat", "8009"), ("skills", "bills=2")):
        await page.fill(f"#agent-3-{name}", value)
    await page.press("#agent-3-skills", "Tab")
    await apply(boss, "new")
    row = page.locator("#rules-passwords tbody tr").first
    await expect(row).to_contain_text("a9 赵六")
    password = await row.locator("code").first.inner_text()
    async with page.expect_download() as waiting:
        await page.click("#passwords-csv")
    await (await waiting.value).save_as(tmp_path / "passwords.csv")
    assert f"a9,{password},8009," in (tmp_path / "passwords.csv").read_text("utf-8-sig").replace('"', "")
    newcomer = await AgentPage.open(browser, house.url)
    assert isinstance(newcomer, AgentPage)
    await newcomer.login("a9", password)
    await newcomer.state("not_ready")

    async with page.expect_download() as waiting:
        await page.click("#rules-toml")
    await (await waiting.value).save_as(tmp_path / "rules.toml")
    exported = rulebook.read(tmp_path / "rules.toml")
    assert exported.agent[-1].id == "a9"
    text = (tmp_path / "rules.toml").read_text()
    (tmp_path / "rules.toml").write_text(text[: text.index('[[agent]]\nid = "a9"')] + text[text.index("[[not_ready]]") :])
    await page.set_input_files("#rules-file", tmp_path / "rules.toml")
    await expect(page.locator("#rules-warnings")).to_contain_text("a9")
    await page.fill("#ask-text", "gone")
    await page.click("#ask-ok")
    await expect(page.locator("#rules-version")).to_contain_text(str(exported.version + 1))
    await newcomer.page.wait_for_selector("#user")
    await boss.close()
    await newcomer.close()


async def test_two_supervisors(house: House, browser: Browser) -> None:
    """While one edits, another applies: the first is told and cannot overwrite it."""
    one, two = await boss_at(browser, house, "en"), await boss_at(browser, house, "en")
    await one.page.fill("#queue-0-priority", "5")
    await one.page.press("#queue-0-priority", "Tab")
    await two.page.fill("#queue-1-priority", "6")
    await two.page.press("#queue-1-priority", "Tab")
    await apply(two, "mine")
    await expect(one.page.locator(".rules-head .wrong")).to_be_visible()
    await expect(one.page.locator("#rules-apply")).to_be_disabled()
    await expect(one.page.locator("#queue-0-priority")).to_have_value("5")
    await one.page.click("#rules-discard")
    await expect(one.page.locator("#queue-1-priority")).to_have_value("6")
    await one.close()
    await two.close()


async def test_what_stands_twice_and_a_table_of_agents(house: House, browser: Browser, tmp_path: Path) -> None:
    """A skill that stands twice is refused by its name, apply goes to the field and says why nothing happens; a date may have two
    spans; a CSV as a Chinese spreadsheet saves it is shown as a change."""
    boss = await boss_at(browser, house, "zh")
    page = boss.page
    await page.click("#rules-agent")
    await page.fill("#agent-1-skills", "bills=1, bills=5")
    await page.press("#agent-1-skills", "Tab")
    await expect(page.get_by_text("重复：bills", exact=False).first).to_be_visible()
    await page.click("#rules-calendar")
    await page.click("#rules-apply")
    await expect(page.locator("#rules-unread")).to_contain_text("bills=1, bills=5")
    await expect(page.locator("#agent-1-skills")).to_be_focused()
    await page.click("#rules-discard")

    await page.click("#rules-calendar")
    await page.click("#rules-add")
    for name, value in (("id", "extra"), ("holidays", "2026-10-10 08:30-12:00; 2026-10-10 14:00-17:30")):
        await page.locator(f"[id^=calendar-][id$=-{name}]").last.fill(value)
        await page.locator(f"[id^=calendar-][id$=-{name}]").last.press("Tab")
    await page.click("#rules-apply")
    await expect(page.locator(".dialog .change").first).to_contain_text("2026-10-10")
    await page.click("#ask-cancel")
    await page.click("#rules-discard")

    table = tmp_path / "agents.csv"
    table.write_bytes("工号,姓名,座席,技能\r\nb7,钱七,8017,bills=2\r\n".encode("gb18030"))
    await page.set_input_files("#rules-file", table)
    await expect(page.locator(".dialog .change")).to_have_count(1)
    await expect(page.locator(".dialog .change")).to_contain_text("钱七")
    await page.click("#ask-cancel")
    await boss.close()
