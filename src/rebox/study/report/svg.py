"""A matplotlib figure as a part of a page: small, in the page's colours, and named."""

import base64
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from rebox.study.report.figures.style import FAINT, GROUND, INK, PALETTE, RULE, drawing

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
COLOURS = {
    **{colour: f"var(--line-{i})" for i, colour in enumerate(PALETTE)},
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    RULE: "var(--rule)",
    GROUND: "none",
}
NUMBER = re.compile(r"-?\d+\.\d{2,}")
REFERENCE = re.compile(r"url\(#([^)]+)\)")
FONT_SIZE = re.compile(r"([\d.]+)px")


def svg_of(figure: Any, name: str, label: str) -> str:
    """Return ``figure`` as an ``<svg>`` element, the same bytes for the same figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    name : str
        Of this figure alone on its page: ids begin with it.
    label : str
        What a reader who does not see it is told.
    """
    file = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with drawing(name):
        figure.savefig(file, format="svg", metadata=nothing)
    root = ET.fromstring(file.getvalue())  # noqa: S314 - our own text, as matplotlib wrote it
    for gone in ("width", "height", "version"):
        root.attrib.pop(gone, None)
    _prune(root, name)
    for element in root.iter():
        _restyle(element)
    _flatten(root)
    root.set("role", "img")
    root.set("aria-label", label)
    _, _, width, height = root.get("viewBox", "0 0 1 1").split()
    root.set("style", f"--width:{float(width):.0f};--height:{float(height):.0f}")
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", LINK)
    return ET.tostring(root, encoding="unicode")


def png_of(image: Any) -> str:
    """Return a PIL image as a ``data:`` address."""
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _prune(root: ET.Element, name: str) -> None:
    """Drop what no page needs; keep the ids that are used, as ones of this figure alone."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{{{SVG}}}metadata", f"{{{SVG}}}style"}:
                parent.remove(child)
    used = {link for element in root.iter() for link in _links(element)}
    own = {old: f"{name}-{i}" for i, old in enumerate(sorted(used))}
    for element in root.iter():
        _rename(element, own)
        element.tail = None
        if element.text is not None and not element.text.strip():
            element.text = None


def _rename(element: ET.Element, own: Mapping[str, str]) -> None:
    old = element.attrib.pop("id", None)
    if old is not None and old in own:
        element.set("id", own[old])
    for attribute, value in element.attrib.items():
        if attribute == f"{{{LINK}}}href" and value[1:] in own:
            element.set(attribute, f"#{own[value[1:]]}")
        elif "url(#" in value:
            element.set(attribute, REFERENCE.sub(lambda m: f"url(#{own[m[1]]})", value))


def _links(element: ET.Element) -> Iterator[str]:
    for attribute, value in element.attrib.items():
        if attribute == f"{{{LINK}}}href" and value.startswith("#"):
            yield value[1:]
        yield from REFERENCE.findall(value)


def _restyle(element: ET.Element) -> None:
    if element.tag == f"{{{SVG}}}text":
        _restyle_text(element)
    for attribute, value in list(element.attrib.items()):
        if attribute == "style":
            element.set(attribute, _recoloured(value))
        elif attribute == "transform" and value.startswith("rotate(-0 "):
            del element.attrib[attribute]
        elif attribute in {"d", "x", "y", "width", "height", "transform"}:
            short = NUMBER.sub(lambda m: f"{float(m[0]):.1f}", value)
            element.set(attribute, " ".join(short.split()))


def _flatten(element: ET.Element) -> None:
    """Drop groups that say nothing about what is in them, and what nobody sees."""
    children: list[ET.Element] = []
    for child in element:
        _flatten(child)
        if child.tag == f"{{{SVG}}}g" and not child.attrib:
            children.extend(child)
        elif len(child) or (child.attrib and child.get("style") != "fill:none"):
            children.append(child)
    element[:] = children


def _recoloured(style: str) -> str:
    for colour, variable in COLOURS.items():
        style = style.replace(colour, variable)
    settings = [part.partition(":") for part in style.split(";") if part.strip()]
    return ";".join(f"{name.strip()}:{value.strip()}" for name, _, value in settings)


def _restyle_text(element: ET.Element) -> None:
    """Take the page's own font; the size stays."""
    kept = []
    for part in element.get("style", "").split(";"):
        name, _, value = part.partition(":")
        if name.strip() in {"font", "font-size"}:
            size = FONT_SIZE.search(value)
            kept.append(f"font-size:{float(size[1]) if size else 9:g}px")
        elif name.strip() not in {"font-family", ""}:
            kept.append(f"{name.strip()}:{value.strip()}")
    element.set("style", ";".join(kept))
