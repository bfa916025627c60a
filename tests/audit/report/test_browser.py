"""The page in a real browser, offline, at a desk's and a phone's width, light and dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.report.window import CHROMIUM, DRIVER, Window, browser

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed: the page is not looked at"
)


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_width_reads_in_its_scheme_and_asks_for_nothing(
    width: int, dark: bool, window: Window, folder: Path, tmp_path: Path
) -> None:
    window.open(folder / "report.html", width=width, dark=dark)
    window.picture(tmp_path / f"report-{width}-{'dark' if dark else 'light'}.png")
    assert window.ask("return innerWidth") == width
    assert window.ask("return document.scrollingElement.scrollWidth <= innerWidth")
    assert window.complaints() == []
    assert window.ask("return performance.getEntriesByType('resource').length") == 0
    assert window.ask(CONTRAST) == []
    assert window.ask("return [...document.querySelectorAll('figure svg text')].length") > 20


def test_what_the_policy_forbids_is_refused_and_noticed(window: Window, folder: Path, tmp_path: Path) -> None:
    """So that silence in the test above means something."""
    page = tmp_path / "injected.html"
    injected = "<script>document.title = 'ran'</script><img src='file:///missing.png'></body>"
    page.write_text((folder / "report.html").read_text().replace("</body>", injected))
    window.open(page, width=1280, dark=False)
    assert window.ask("return document.title") != "ran"
    assert len([line for line in window.complaints() if "Content Security Policy" in line]) == 2


# Every visible text whose contrast with the ground behind it is below what WCAG 2.2 AA asks for small text.
CONTRAST = """
const parse = (colour) => { const n = colour.match(/[\\d.]+/g).map(Number); return n.length < 4 || n[3] > 0 ? n : null; };
const light = (n) => { const [r, g, b] = n.slice(0, 3).map((c) => { c /= 255; return c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; });
  return .2126 * r + .7152 * g + .0722 * b; };
const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c) return c; } return [255, 255, 255]; };
const found = [];
for (const e of document.querySelectorAll('body *')) {
  const text = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent.trim()).join('');
  if (!text) continue;
  const style = getComputedStyle(e), colour = parse(e.namespaceURI.endsWith('svg') ? style.fill : style.color);
  const a = light(colour), b = light(ground(e)), ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (ratio < 4.5) found.push(text.slice(0, 40) + ' ' + ratio.toFixed(2));
}
return found;
"""
