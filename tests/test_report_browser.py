"""The pages in a real browser: Chromium, without a screen, as a phone and as a desktop."""

import os
import shutil
import warnings
from pathlib import Path

import ledgers
import numpy as np
import pytest
from once import WORKER, once
from PIL import Image
from test_as_named import answers_of

import rebox
from rebox.classifier import measured
from rebox.study.report import write_report
from rebox.study.report.model import model_report, worth_of

axe = pytest.importorskip("axe_playwright_python.sync_playwright")
playwright = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
WIDTHS = {"phone": 375, "desktop": 1280}
OPEN_ALL = "document.querySelectorAll('details').forEach(each => each.open = true)"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"
    ),
]


@pytest.fixture(scope="module")
def browser():
    arguments = ["--headless", "--disable-gpu", "--no-first-run", *QUIET]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium has none for root
    with playwright.sync_playwright() as run:
        browser = run.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A plan of two tasks with every figure, the frontier's long ledger, and a model's page."""
    return once(tmp_path_factory, WORKER, "pages", write_pages)


def write_pages(folder):
    rows = ledgers.study(folds=2, boxes=("resnet50",)) + ledgers.graded()
    rows.append(ledgers.row("a" * 90, task="b" * 120, box="c" * 70, class_names=["d" * 80, "e"]))
    write_report(folder / "findings.html", [ledgers.write(folder / "findings.jsonl", rows)])
    frontier = ROOT / "benchmarks" / "frontier" / "measured.jsonl"
    write_report(folder / "frontier.html", [frontier])
    (folder / "model.html").write_text(model_report(asking(folder)))
    write_worth(folder)


def write_worth(folder):
    """The page of a model of twelve classes, measured on pictures that it shows, long names all."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 8), ("new", 4)):
        for k in range(12):
            place = folder / part / f"{'class ' * 9}{k:02} <b>"
            place.mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 120, size=(40, 20, 3)) + 10 * k
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{'x' * 60}{i}.png")
    model = rebox.Reprogrammer(recipe="local", random_state=0)
    data, new = rebox.load(folder / "train"), rebox.load(folder / "new")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # too few samples for promises
        model.fit(data.samples, data.labels).save(folder / "worth.rebox")
        found = measured(model, new)
    paid = {"by_box": model.spent_by_box_, "usd_per_10k": 0.0}
    worth = worth_of(model, new, found, **paid, thumbnails=True)
    (folder / "worth.html").write_text(model_report(folder / "worth.rebox", worth=worth))


def asking(folder):
    """The file of a model that asks six services with long names, each where it pays."""
    truth, scores = answers_of([0.6, 0.65, 0.7, 0.75, 0.8, 0.85], 150, 3)
    names = [f"{letter * 30}-service" for letter in "abcdef"]
    np.savez(
        folder / "six.npz",
        ids=np.arange(150).astype(str),
        truth=truth,
        services=np.array(names),
        usd_per_10k=np.array([1.0, 2, 3, 5, 10, 20]),
        labels=np.stack([one.argmax(axis=1) for one in scores], axis=1),
        confidence=np.stack([one.max(axis=1) for one in scores], axis=1),
    )
    boxes = [f"recorded:{folder / 'six.npz'}?service={name}" for name in names]
    model = rebox.Reprogrammer(
        boxes, budget=900, journal=False, usd_per_prediction=0.001, random_state=0
    )
    labels = np.array([f"{'class ' * 12}{k}" for k in range(3)])[truth]
    model.fit(rebox.Samples(ids=np.arange(150).astype(str)), labels).save(folder / "six.rebox")
    return folder / "six.rebox"


class Visit:
    """A page as it was opened, with what it asked for and complained of."""

    def __init__(self, browser, path, *, scheme="light", script=True, width=1280):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=script,
        )
        self.page = self.context.new_page()
        self.requests, self.complaints = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.url = path.as_uri()
        self.page.goto(self.url)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    @property
    def overflow(self):
        """By how many pixels the page is wider than its window."""
        size = self.page.locator("html").bounding_box()
        return self.page.evaluate("document.documentElement.scrollWidth") - size["width"]


@pytest.fixture(scope="module", params=["findings", "frontier", "model", "worth"])
def path(request, pages):
    return pages / f"{request.param}.html"


@pytest.fixture(scope="module")
def phone(browser, path):
    """A page on a phone, with all of it open: to be looked at, and left as it is."""
    with Visit(browser, path, width=WIDTHS["phone"]) as visit:
        visit.page.evaluate(OPEN_ALL)
        yield visit


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_it_fits_asks_for_nothing_and_does_not_complain(browser, path, width, script):
    with Visit(browser, path, width=width, script=script) as visit:
        for summary in visit.page.locator("details:not([open]).setting > summary").all()[:2]:
            summary.click()
        assert visit.overflow <= 0
        away = [url for url in visit.requests if url != visit.url and not url.startswith("data:")]
        assert away == []
        assert visit.complaints == []
        assert visit.page.locator("h1").is_visible()


def test_nothing_is_wider_than_a_phone_when_all_is_open(phone):
    assert phone.overflow <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("name", ["findings", "model", "worth"])
def test_axe_finds_nothing_serious(browser, pages, scheme, width, name):
    with Visit(browser, pages / f"{name}.html", scheme=scheme, width=width) as visit:
        visit.page.evaluate(OPEN_ALL)
        found = axe.Axe().run(visit.page).response
    assert found["passes"]  # it did look
    bad = [v for v in found["violations"] if v["impact"] in {"serious", "critical"}]
    assert [(v["id"], [n["html"][:200] for n in v["nodes"][:3]]) for v in bad] == []


NARROWER = """() => [...document.querySelectorAll('caption span')]
    .map(said => [said.getBoundingClientRect(), said.closest('.scroll').getBoundingClientRect()])
    .filter(([said, frame]) => said.right > frame.right + 0.5).length"""


def test_captions_are_read_without_scrolling(browser, pages, phone):
    assert phone.page.locator("caption span").count() > 1
    assert phone.page.evaluate(NARROWER) == 0
    with Visit(browser, pages / "worth.html", width=WIDTHS["desktop"]) as visit:
        visit.page.evaluate(OPEN_ALL)
        assert visit.page.evaluate(NARROWER) == 0


def test_fingers_can_open_what_is_folded(phone):
    """WCAG 2.2 asks for 24 pixels; a phone's makers for 40 and more."""
    heights = "() => [...document.querySelectorAll('summary')].map(s => s.offsetHeight)"
    assert min(phone.page.evaluate(heights)) >= 40


SENTENCES = """() => [...document.querySelectorAll('table.prose')].map(table => [
    table.querySelector('tbody th').offsetWidth + table.querySelector('td:last-child').offsetWidth,
    table.closest('.scroll').clientWidth]).filter(([needed, room]) => needed > room).length"""


def test_sentences_are_read_without_scrolling_to_and_fro(browser, pages):
    """A column of them fits beside the names, which stay in sight."""
    with Visit(browser, pages / "frontier.html", width=WIDTHS["phone"]) as visit:
        visit.page.evaluate(OPEN_ALL)
        assert visit.page.locator("table.prose").count() > 5
        assert visit.page.evaluate(SENTENCES) == 0


def test_no_figure_is_wider_than_a_phone(phone):
    wide = "() => [...document.querySelectorAll('figure > .scroll')]"
    wide += ".filter(each => each.scrollWidth > each.clientWidth + 1).length"
    assert phone.page.evaluate(wide) == 0


def test_a_samples_classes_are_named_above_their_bars(browser, pages):
    """Side by side, names of two words would be broken in the middle of one."""
    with Visit(browser, pages / "worth.html", width=WIDTHS["phone"]) as visit:
        name, bar, share = (
            visit.page.locator(f".samples {one}").first.bounding_box()
            for one in ("dt", ".bar", ".chance")
        )
        assert bar["y"] >= name["y"] + name["height"]
        assert bar["width"] > name["width"]
        assert share["x"] > name["x"] + name["width"]


def test_axe_would_see_what_is_wrong(browser, tmp_path):
    """The same check on a page with a picture that has no name, and letters that are too pale."""
    wrong = "<html lang=en><title>a</title><img src='data:,'><p style='color:#ccc'>pale</p></html>"
    (tmp_path / "wrong.html").write_text(wrong)
    with Visit(browser, tmp_path / "wrong.html") as visit:
        found = axe.Axe().run(visit.page).response
    assert {"image-alt", "color-contrast"} <= {v["id"] for v in found["violations"]}


def test_dark_is_dark(browser, pages):
    grounds = []
    for scheme in ("light", "dark"):
        with Visit(browser, pages / "findings.html", scheme=scheme) as visit:
            ground = "getComputedStyle(document.body).backgroundColor"
            line = "getComputedStyle(document.querySelector('svg text')).fill"
            grounds.append((visit.page.evaluate(ground), visit.page.evaluate(line)))
    assert grounds[0] == ("rgb(254, 254, 254)", "rgb(27, 32, 38)")
    assert grounds[1] == ("rgb(20, 24, 29)", "rgb(231, 234, 238)")


def test_every_picture_has_a_name(browser, pages):
    with Visit(browser, pages / "findings.html") as visit:
        visit.page.evaluate(OPEN_ALL)
        pictures = visit.page.get_by_role("img").count()
        assert pictures > 20
        assert visit.page.locator("svg:not([aria-label]), img:not([alt])").count() == 0
        assert visit.page.get_by_role("img", name="Confusion matrix of auto").count() > 0


def test_a_picture_is_seen_before_any_part_is_opened(browser, pages):
    with Visit(browser, pages / "frontier.html") as visit:
        assert visit.page.locator("details.setting[open]").count() == 0
        assert visit.page.get_by_role("img", name="Does the box help").is_visible()
        heads = visit.page.locator("table.overview thead th").all_text_contents()
        assert heads[:2] == ["task", "does the box help?"]


SMALLEST = """() => Math.min(...[...document.querySelectorAll('svg text')]
    .filter(text => text.textContent.trim())
    .map(text => [parseFloat(getComputedStyle(text).fontSize), text.getScreenCTM()])
    .map(([size, at]) => size * Math.hypot(at.a, at.b)))"""


def test_letters_of_figures_are_read_on_a_phone(phone):
    """None is smaller than 8.5 pixels, and those beside axes are larger."""
    assert phone.page.evaluate(SMALLEST) >= 8.5


def test_the_contents_lead_into_folded_parts(browser, pages):
    """Without a script: the browser itself unfolds what a link leads into."""
    with Visit(browser, pages / "frontier.html", script=False) as visit:
        table = visit.page.locator("#setting-9 table").first
        assert not table.is_visible()
        visit.page.locator("a[href='#setting-9']").click()
        assert table.is_visible()


def test_the_keyboard_is_enough(browser, pages):
    with Visit(browser, pages / "frontier.html") as visit:
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.textContent") == "Skip to the results"
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert visit.page.evaluate(outline) == "solid"
        visit.page.locator("details.setting > summary").first.focus()
        visit.page.keyboard.press("Enter")
        assert visit.page.locator("#setting-1").is_visible()


def test_folded_parts_are_printed(browser, pages):
    with Visit(browser, pages / "frontier.html", width=720) as visit:
        visit.page.emulate_media(media="print")
        assert visit.page.locator("#setting-9 table").first.is_visible()
        assert visit.overflow <= 0
