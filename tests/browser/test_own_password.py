"""The own password on the pages: asked for at the first log-in, changed later in a dialog, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, expect

from tests.browser.house import House
from tests.browser.pages import AgentPage
from tests.console.desk import PASSWORDS

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
WORDS = {
    "zh": ("修改密码", "两次输入的新密码不一致。", "当前密码不正确。", "新密码过于简单"),
    "en": ("Change password", "The two new passwords differ.", "The current password is wrong.", "The new password is too simple"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("house"), change_first_passwords=True) as made:
        yield made


@pytest.mark.parametrize(("language", "user"), [("zh", "a1"), ("en", "a2")])
async def test_first_log_in_and_later(house: House, browser: Browser, language: str, user: str) -> None:
    """Nothing is shown before a first password is changed; mistakes are told in the page's language; later the dialog changes it,
    and other windows of the same person are logged out."""
    title, differ, wrong, weak = WORDS[language]
    first, second, third = PASSWORDS[user], "long-enough-1", "long-enough-2"
    page = await AgentPage.open(browser, house.url, language)
    assert isinstance(page, AgentPage)
    await page.page.fill("#user", user)
    await page.page.fill("#password", first)
    await page.page.click("#enter")
    await expect(page.page.locator("#must-change h1")).to_have_text(title)
    await expect(page.page.locator("#old-password")).to_be_focused()
    await expect(page.page.locator(".frame")).to_have_count(0)
    told = page.page.locator("#password-wrong")
    await page.choose_password(first, second)
    await expect(page.page.locator(".frame")).to_be_visible()
    await page.state("not_ready")

    other = await AgentPage.open(browser, house.url, language)
    await other.login(user, second)
    await page.page.click("#own-password")
    await page.page.fill("#old-password", second)
    await page.page.fill("#new-password", third)
    await page.page.fill("#again-password", third + "x")
    await page.page.click("#change")
    await expect(told).to_have_text(differ)
    await page.choose_password(third, third)
    await expect(told).to_contain_text(wrong)
    await page.choose_password(second, "aaaaaaaaaaaa")
    await expect(told).to_contain_text(weak)
    await page.choose_password(second, third)
    await expect(page.page.locator("#password-dialog")).to_have_count(0)
    await expect(other.page.locator("#user")).to_be_visible()
    await page.state("not_ready")
    for window in (page, other):
        await window.close()
