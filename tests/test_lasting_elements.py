"""A test's element stays of use while the page puts others in its place."""

import base64

import pytest
from browser_page import IN_BROWSER, By, StaleElementReferenceException

pytestmark = IN_BROWSER
RESTLESS = """
<script>
  let clicks = 0, on = true;
  const make = () => {
    if (!on) return;
    document.body.innerHTML = '<p>first</p><p hidden>unseen</p><p>second</p>' +
      '<button onclick="clicks++">go</button><input value="typed">';
    setTimeout(make, 40);
  };
  addEventListener('load', make);
</script>
"""


@pytest.fixture
def restless(browser):
    """A page that replaces all of its elements 25 times a second."""
    page = base64.b64encode(RESTLESS.encode()).decode()
    browser.get(f"data:text/html;base64,{page}")
    yield browser
    browser.get("about:blank")


def test_an_element_is_read_and_clicked_though_it_was_replaced(restless):
    button, field = (restless.find_elements(By.CSS_SELECTOR, css)[0] for css in ("button", "input"))
    for _ in range(5):
        assert button.text == "go"
        assert field.get_property("value") == "typed"
        assert restless.execute_script("return arguments[0].tagName", field) == "INPUT"
    restless.execute_script("on = false")
    button.click()
    assert restless.execute_script("return clicks") == 1


def test_texts_are_those_of_one_moment_and_of_what_is_seen(restless):
    for _ in range(5):
        assert restless.texts("p") == ["first", "", "second"]


def test_an_element_that_is_gone_for_good_is_stale(restless, monkeypatch):
    monkeypatch.setattr("lasting_elements.SECONDS", 0.2)
    button = restless.find_elements(By.CSS_SELECTOR, "button")[0]
    restless.execute_script("on = false; document.body.innerHTML = ''")
    with pytest.raises(StaleElementReferenceException):
        button.click()
