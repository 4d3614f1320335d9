"""Chromium whose elements don't go stale: pages replace theirs whole, also while tests use them."""

import time

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.command import Command
from selenium.webdriver.remote.webelement import WebElement

SECONDS = 20  # in which a page puts an element where it took one away
PAUSE = 0.05  # seconds between two looks
TEXTS = """
return [...document.querySelectorAll(arguments[0])].map((element) =>
  element.checkVisibility({visibilityProperty: true})
    ? element.innerText.replace(/[\\t\\u00a0]/g, ' ').trim() : '');
"""


class Browser(webdriver.Chrome):
    """Looks an element up again, by the same selector and place, where the page has replaced it."""

    def __init__(self, *arguments, **named):
        self._found: dict[str, tuple[str, int]] = {}  # an element's id -> selector, place
        super().__init__(*arguments, **named)

    def texts(self, css: str) -> list[str]:
        """Read what can be seen of elements, all at one moment; nothing of hidden ones."""
        return self.execute_script(TEXTS, css)

    def execute(self, driver_command, params=None):
        """Do what `webdriver.Chrome` does, again with new elements where the old ones are gone."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                response = super().execute(driver_command, params)
            except StaleElementReferenceException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE)
                params = self._renewed(params)
            else:
                if driver_command == Command.FIND_ELEMENTS and params["using"] == By.CSS_SELECTOR:
                    for place, element in enumerate(response["value"]):
                        self._found[element.id] = params["value"], place
                return response

    def _renewed(self, value):
        """Return a command's parameters with elements that are on the page now."""
        if isinstance(value, dict):
            return {name: self._renewed(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._renewed(part) for part in value]
        number = value.id if isinstance(value, WebElement) else value
        if not isinstance(number, str) or number not in self._found:
            return value
        css, place = self._found[number]
        now = self.find_elements(By.CSS_SELECTOR, css)
        if place >= len(now):
            return value
        return now[place] if isinstance(value, WebElement) else now[place].id
