"""The rules of accessibility that axe-core knows, on what a browser shows."""

import os
from pathlib import Path

import pytest

AXE = "AXE_CORE"
"""Environment variable that names axe-core's ``axe.min.js``; ``.ci/axe FOLDER`` fetches it."""
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""WCAG 2.0 to 2.2, levels A and AA, and what Lighthouse looks at beyond."""
NOT_ASKED = {"target-size": {"enabled": True}}  # of those axe leaves out unless it is named
RUN = """
const [tags, rules, done] = arguments;
axe.run(document, {runOnly: {type: 'tag', values: tags}, rules, resultTypes: ['violations']})
  .then(({violations, passes}) => done([passes.length, violations.flatMap(({id, nodes}) =>
    nodes.map(({target, failureSummary}) => `${id}: ${target.join(' ')}: ${failureSummary}`))]))
  .catch((error) => done([0, [String(error)]]));
"""
LEAST_RULES = 20  # that have something to look at on any of our pages


def axe_script() -> str:
    """Read axe-core, or skip the test where it isn't; CI has it."""
    file = os.environ.get(AXE)
    if not file and os.environ.get("CI"):
        pytest.fail(f"{AXE} is not set: .ci/run fetches axe-core")
    if not file:
        pytest.skip(f"{AXE} is not set; .ci/axe FOLDER fetches axe-core and prints its value")
    return Path(file).read_text(encoding="utf-8")


def broken_rules(page, script: str) -> list[str]:
    """Say which rules the page as it is breaks, and where.

    Args:
        page: a `browser_page.Page`.
        script: from `axe_script`; it is put into the page where it isn't there yet.
    """
    if page.run("return typeof axe") == "undefined":
        page.run(script)
    passed, broken = page.browser.execute_async_script(RUN, TAGS, NOT_ASKED)
    assert passed >= LEAST_RULES or broken, "axe-core found nothing to look at"
    return broken
