"""How things show themselves: a few short lines, escaped, in the colours of the page."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.base import clone

import rebox
from rebox.fit.plan import plan_views
from rebox.metric import Interval, measure
from rebox.notebook import few, shortened, table

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</table><b>bold",
    "a\x1b[31m\nb",
    "x" * 5000,
]
TAGS = {"div", "strong", "table", "tr", "td", "th"}


def hostile_model():
    box = rebox.FunctionBox(
        lambda images: np.full((len(images), 5), 0.2),
        size=8,
        classes=HOSTILE,
        identity="<i>box</i>",
        price_usd=0.01,
    )
    x = np.random.default_rng(0).random((20, 8, 8), dtype=np.float32)
    model = rebox.Reprogrammer(box, "map", budget=20, random_state=0, verdict=True)
    return model.fit(x, np.array(HOSTILE)[np.arange(20) % 5]), x


MODEL, X = hostile_model()
MANY = tuple(f"class {i}" for i in range(20_000))
SHOWN = {
    "verdict": MODEL.verdict_,
    "spec": MODEL.box_.spec,
    "box": MODEL.box_,
    "spec of many classes": rebox.BoxSpec(identity="m", classes=MANY, height=8, width=8),
    "dataset": rebox.Dataset(X, np.array(HOSTILE)[np.arange(20) % 5], HOSTILE[2]),
    "dataset of many classes": rebox.Dataset(np.zeros((20_000, 3)), np.array(MANY), "m"),
    "files": rebox.Dataset(rebox.ImageFiles(["a.png"] * 20_000), np.array(MANY), "m"),
    "artefact": MODEL.artefact_,
    "spent": MODEL.spent_,
    "budget": rebox.Budget(queries=100, usd=5.0),
    "no budget": rebox.Budget(),
    "interval": Interval(0.853212345, 0.83, 0.875),
    "measurement": measure([*range(5)], np.eye(5), range(5)),
    "plan": plan_views(341, 5000, 20, 5),
}


class Read(HTMLParser):
    """The tags, and what a reader sees."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.seen, self.attributes = set(), "", set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, text):
        self.seen += text


@pytest.mark.parametrize("name", SHOWN)
def test_it_is_short_and_names_are_texts(name):
    shown = SHOWN[name]
    line, page = repr(shown), shown._repr_html_()
    assert len(line) < 900
    assert "\x1b" not in line
    assert "\n" not in line
    assert len(page) < 8000
    read = Read(page)
    assert read.tags <= TAGS
    assert read.attributes <= {"style", "class"}
    assert "\x1b" not in page
    assert "#" not in re.sub(r"#8886|&#x27;", "", page), "it has no colour of its own"


@pytest.mark.parametrize("name", ["model", "question", "record"])
def test_what_lies_within_is_short_too(name):
    artefact = MODEL.artefact_
    parts = {"model": artefact.model, "question": artefact.model.questions[0]}
    assert len(repr({**parts, "record": artefact.box}[name])) < 300


def test_they_say_what_they_are():
    assert repr(SHOWN["interval"]) == "<Interval 0.8532 (0.83 to 0.875)>"
    assert repr(SHOWN["budget"]) == "<Budget 100 queries and $5.00>"
    assert repr(SHOWN["no budget"]) == "<Budget without a cap>"
    assert repr(MODEL.spent_) == "<Spent 20 queries (20 to map), $0.20>"
    data = rebox.Dataset(X, np.arange(20) % 2, "d", groups=np.arange(20) // 2)
    assert repr(data) == (
        "<Dataset d: 20 images of 8 x 8, float32, 2 classes: 0 (10), 1 (10), 10 subjects>"
    )
    assert repr(MODEL.verdict_) == f"<Verdict: {MODEL.verdict_.words}>"
    assert "20,000: class 0, class 1, class 2, class 3, class 4, and 19,995 more" in (
        SHOWN["spec of many classes"]._repr_html_()
    )
    assert "price not known" in repr(
        rebox.BoxSpec(identity="m", classes=("a", "b"), height=8, width=8, price_usd=None)
    )


def test_a_fitted_model_shows_what_the_fit_brought_below_scikit_learns_diagram():
    unfitted = clone(MODEL)
    assert "sk-" in unfitted._repr_html_()
    assert 'class="rebox"' not in unfitted._repr_html_()
    page = MODEL._repr_html_()
    assert "sk-" in page
    assert 'class="rebox"' in page
    seen = Read(page).seen
    assert MODEL.verdict_.words in seen
    assert "20 queries (20 to map), $0.20" in seen
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "Reprogrammer" in MODEL._repr_mimebundle_()["text/plain"]
    assert 'class="rebox"' in MODEL._repr_mimebundle_()["text/html"]


def test_texts_are_cut_and_rows_are_escaped():
    assert shortened("a" * 300) == "a" * 197 + "..."
    assert shortened("one\ntwo\x00") == "one two "
    assert few(range(7)) == "0, 1, 2, 3, 4, and 2 more"
    assert "&lt;b&gt;" in table("<b>", [("<b>", 1)], ("<b>",), "<b>")
    assert "<b>" not in table("<b>", [("<b>", 1)], ("<b>",), "<b>")
