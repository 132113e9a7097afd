"""Draw ``docs/report.png``: two figures of a report as Chromium shows them.

    python scripts/picture_of_report.py

It reads the frontier's ledger, and needs the extra ``study``, Playwright and Chromium.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from rebox.study.report import write_report

ROOT = Path(__file__).parents[1]
LEDGER = ROOT / "benchmarks" / "frontier" / "measured.jsonl"
PICTURE = ROOT / "docs" / "report.png"
QUIET = ["--headless", "--disable-gpu", "--no-sandbox"]


def draw(page: Path) -> None:
    """Open the first part of ``page``, and take a picture of its figures."""
    with sync_playwright() as run:
        browser = run.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        tab = browser.new_page(viewport={"width": 1000, "height": 1200}, color_scheme="light")
        tab.goto(page.as_uri())
        tab.locator("details.setting > summary").first.click()
        tab.locator("#setting-1 .grid").first.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        written = Path(folder) / "report.html"
        write_report(written, [LEDGER])
        draw(written)
