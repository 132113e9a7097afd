"""The figures of a report, and how they become parts of a page."""

import base64
import re
import sys
from xml.etree import ElementTree as ET

import ledgers
import numpy as np
import pytest

from rebox.errors import InvalidOption, MissingExtra
from rebox.study.report import figures, findings_of
from rebox.study.report.figures.style import (
    FAINT,
    MARKERS,
    PALETTE,
    look_of,
    names_in_lines,
    short,
    short_names,
)
from rebox.study.report.svg import svg_of

HEX = re.compile(r"#[0-9a-f]{6}")


@pytest.fixture(scope="module")
def setting():
    return findings_of(ledgers.study(boxes=("resnet50",), budgets=(1000, 25000))).settings[0]


def cell_of(setting, method):
    return next(cell for cell in setting.largest() if cell.method == method)


def words_of(figure):
    return [
        text.get_text() for text in figure.findobj(match=lambda artist: hasattr(artist, "get_text"))
    ]


@pytest.mark.parametrize("axis", ["queries", "usd"])
def test_a_line_for_each_method_with_its_label(setting, axis):
    figure = figures.against(setting, "macro_auc", axis)
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    said = words_of(figure)
    named = [text.lstrip("\u200b").rpartition(", ") for text in said]
    assert set(setting.labels) <= {name for name, _, _ in named}
    assert "bar-as-released (peeked)" in {name for name, _, _ in named}
    values = [float(value) for name, _, value in named if name in setting.labels]
    assert values == sorted(values, reverse=True)  # the best first
    lines = [
        line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() in MARKERS
    ]
    assert len(lines) == 5  # the methods that ask; the two that do not are levels
    highest = max(
        cell.figures["macro_auc"].value for cell in setting.cells if cell.method == "auto"
    )
    assert any(np.isclose(line.get_ydata().max(), highest) for line in lines)


def test_one_budget_is_one_mark():
    setting = findings_of([ledgers.row(m, budget=400) for m in ("auto", "map", "bar")]).settings[0]
    (axes,) = figures.against(setting, "accuracy").axes
    assert axes.get_xticks().tolist() == [400]
    low, high = axes.get_xlim()
    assert low < 300
    assert high > 500


def test_methods_that_ask_nothing_need_no_axis():
    rows = [ledgers.row(m, box=None, budget=None) for m in ("majority", "local")]
    (axes,) = figures.against(findings_of(rows).settings[0], "accuracy").axes
    assert axes.get_xscale() == "linear"
    assert axes.get_xticks().tolist() == []


def test_only_what_a_pair_has_can_be_drawn(setting):
    with pytest.raises(InvalidOption, match="quadratic_kappa"):
        figures.against(setting, "quadratic_kappa")
    with pytest.raises(InvalidOption, match="time"):
        figures.against(setting, "accuracy", "time")


def test_methods_look_different():
    labels = [f"method {i}" for i in range(30)]
    looks = [look_of(label, labels) for label in labels]
    assert len({look.colour for look in looks[:24]}) == 24  # none is given twice
    assert {look.colour for look in looks[24:]} == {FAINT}
    assert len({(look.colour, look.marker, str(look.dash)) for look in looks}) == 30


def luminance(colour):
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def page_colours():
    """Return the style sheet's variables on a light and on a dark ground."""
    from importlib.resources import files

    style = files("rebox.study.report").joinpath("page/style.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks]


@pytest.mark.parametrize("colours", page_colours(), ids=["light", "dark"])
def test_labels_can_be_read_on_the_page(colours):
    """WCAG 2.2, 1.4.3: 4.5:1 for letters; labels are written in their line's colour."""
    ground = luminance(colours["ground"])
    for name in [*(f"line-{i}" for i in range(len(PALETTE))), "ink", "faint", "link"]:
        dark, light = sorted([ground, luminance(colours[name])])
        assert (light + 0.05) / (dark + 0.05) >= 4.5, name


def test_the_page_has_a_partner_for_each_colour():
    light, dark = page_colours()
    assert [light[f"line-{i}"] for i in range(len(PALETTE))] == list(PALETTE)
    assert set(light) == set(dark)


def test_a_name_that_is_cut_keeps_that_it_peeked():
    assert short("x" * 80 + " (peeked)", 30).endswith("… (peeked)")
    assert len(short("x" * 80 + " (peeked)", 30)) == 30
    assert short("bar (peeked)") == "bar (peeked)"


def test_names_that_begin_alike_are_cut_in_the_middle():
    alike = [f"{'melanocytic ' * 4}{kind}" for kind in ("nevus", "lesion")]
    cut = short_names(alike, 20)
    assert len(set(cut)) == 2
    assert [len(one) for one in cut] == [20, 20]
    assert [one.split()[-1] for one in cut] == ["nevus", "lesion"]
    assert short_names(["nevus", "x" * 30], 20) == ["nevus", f"{'x' * 19}…"]


def test_names_of_two_words_have_two_lines_and_no_name_is_lost():
    names = [
        "naevus",
        "basal cell carcinoma",
        "dermatofibroma",
        "w" * 20,
        "a very long name indeed",
    ]
    assert names_in_lines(names, 15, 2) == [
        "naevus",
        "basal cell\ncarcinoma",
        "dermatofibroma",
        f"{'w' * 13}…",
        "a very long\nname indeed",
    ]
    assert names_in_lines(["actinic keratosis"], 11, 1) == ["actinic ke…"]
    alike = [f"{'the same word ' * 4}{k}" for k in range(3)]
    assert names_in_lines(alike, 15, 2) == short_names(alike, 15)


def test_confusion_shows_counts_and_shares(setting):
    cell = cell_of(setting, "auto")
    from rebox.study.report import tables

    matrix = tables.confusion(cell)
    said = words_of(figures.confusion(cell))
    share = 100 * matrix[0, 0] / matrix[0].sum()
    assert f"{matrix[0, 0]}\n{share:.0f} %" in said
    assert {"autism", "control", "true class", "predicted class"} <= set(said)


def test_many_classes_have_no_room_for_counts():
    cell = findings_of(
        [ledgers.row(counts=(3,) * 20, class_names=[f"c{i}" for i in range(20)])]
    ).settings[0]
    assert not [w for w in words_of(figures.confusion(cell.cells[0])) if w.isdigit()]


def test_other_figures(setting):
    assert len(figures.roc(setting.largest()).axes[0].lines) == len(setting.labels) + 1
    assert "ECE" in " ".join(words_of(figures.calibration(cell_of(setting, "auto"))))
    assert "great white shark" in words_of(figures.source_weights(cell_of(setting, "map")))
    assert len(figures.search(setting.largest()).axes[0].lines) == 3
    assert figures.picture(cell_of(setting, "bar")).size == (32, 32)


def test_what_was_not_kept_is_not_drawn():
    bare = findings_of([ledgers.row(answers=None)]).settings[0].cells[0]
    for draw in (figures.confusion, figures.calibration, figures.source_weights, figures.picture):
        assert draw(bare) is None
    assert figures.roc([bare]) is None
    assert figures.search([bare]) is None


@pytest.mark.parametrize("png", ["", "not base64!", base64.b64encode(b"GIF89a").decode(), None, 7])
def test_a_program_that_is_no_picture_is_not_shown(png):
    row = ledgers.row(program={"png": png, "size": [2, 2]})
    assert figures.picture(findings_of([row]).settings[0].cells[0]) is None


def test_names_are_letters_and_nothing_else():
    """Mathematics, markup and leading underscores in a name are drawn as they are written."""
    names = ["$\\frac{1}{0}$", "<b>_&amp;</b>"]
    row = ledgers.row("_nolegend_", class_names=names, task="$x^2$")
    setting = findings_of([row]).settings[0]
    for figure in (figures.confusion(setting.cells[0]), figures.against(setting, "accuracy")):
        svg_of(figure, "f", "a figure")
    assert set(names) <= set(words_of(figures.confusion(setting.cells[0])))
    assert "_nolegend_" in " ".join(words_of(figures.roc(setting.cells)))


def test_a_name_in_any_script_is_drawn():
    setting = findings_of([ledgers.row("方法 ‎שיטה", class_names=["自閉症", "対照"])]).settings[0]
    assert "自閉症" in svg_of(figures.confusion(setting.cells[0]), "f", "a figure")


def test_an_svg_has_a_name_and_ids_of_its_own(setting):
    text = svg_of(figures.against(setting, "accuracy"), "f7", 'accuracy of "a" & <b>')
    root = ET.fromstring(text)  # noqa: S314 - our own text
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'accuracy of "a" & <b>'
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert ids
    assert all(name.startswith("f7-") for name in ids)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    assert used == set(ids)


def test_an_svg_takes_the_pages_colours(setting):
    text = svg_of(figures.against(setting, "accuracy"), "f", "a figure")
    assert not HEX.findall(text)
    assert "var(--line-0)" in text
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "").replace(
        'xmlns:xlink="http://www.w3.org/1999/xlink"', ""
    )


def test_the_same_figure_gives_the_same_bytes(setting):
    first, second = (svg_of(figures.against(setting, "accuracy"), "f", "a") for _ in range(2))
    assert first == second


def test_a_users_own_settings_do_not_reach_a_figure(setting):
    import matplotlib

    plainly = svg_of(figures.calibration(cell_of(setting, "auto")), "f", "a")
    with matplotlib.rc_context({"font.size": 40, "lines.linewidth": 9, "svg.fonttype": "path"}):
        assert svg_of(figures.calibration(cell_of(setting, "auto")), "f", "a") == plainly
        assert matplotlib.rcParams["font.size"] == 40


def test_without_matplotlib_it_says_what_to_install(setting, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"rebox\[study\]"):
        figures.calibration(cell_of(setting, "auto"))
