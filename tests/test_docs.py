"""The site: it builds without a warning, and every link in it leads somewhere.

What a warning is, Sphinx and MyST decide: a link to a file or heading that is not there, a page
that no other leads to, a docstring that is no reStructuredText.
"""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ELSEWHERE = ("http", "https", "mailto", "data")

pytestmark = pytest.mark.slow


class Links(HTMLParser):
    """Collects what a page links, what it loads, and what can be linked in it."""

    def __init__(self):
        super().__init__()
        self.links, self.loads, self.anchors = [], [], {"", "top"}

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        source = given.get("src") or (given.get("href") if tag == "link" else None)
        if source:
            self.loads.append(source)


def read(path):
    """Return the links of a page."""
    links = Links()
    links.feed(path.read_text(encoding="utf-8"))
    return links


def build(source, out):
    """Build a site; return the process."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
    ]
    return subprocess.run(
        [*command, "-d", out / ".trees", "-c", DOCS, source, out],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site, once."""
    pytest.importorskip("sphinx")
    out = tmp_path_factory.mktemp("site")
    done = build(ROOT, out)
    assert (done.returncode, done.stderr) == (0, "")
    return out


@pytest.fixture(scope="module")
def pages(site):
    return {path: read(path) for path in site.rglob("*.html")}


def test_every_link_leads_to_a_page_and_a_place_on_it(site, pages):
    broken, followed = [], 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ELSEWHERE:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages.get(target)
            if not target.is_file() or (known and unquote(parts.fragment) not in known.anchors):
                broken.append(f"{path.relative_to(site)}: {link}")
            followed += 1
    assert broken == []
    assert followed > 1000


def test_a_reader_s_browser_asks_nobody_else(pages):
    loads = {load for page in pages.values() for load in page.loads}
    assert [load for load in loads if urlsplit(load).netloc] == []
    assert len(loads) > 5


def test_every_page_of_ours_is_in_it(site):
    written = {path.relative_to(ROOT).with_suffix("") for path in DOCS.rglob("*.md")}
    built = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}
    assert written - built == set()


def test_the_reference_has_every_first_name_and_every_command(site):
    import rebox
    from rebox.cli.app import COMMANDS

    api = "".join(path.read_text() for path in (site / "docs/reference/api").glob("*.html"))
    for name in set(rebox.__all__) - {"__version__"}:
        assert f".{name}</span>" in api or f'id="rebox.{name}"' in api or f'.{name}"' in api, name
    commands = (site / "docs/reference/command-line.html").read_text()
    for name in (*COMMANDS, "box probe", "journal show", "bench run"):
        assert f"rebox {name}<" in commands, name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gone](gone.md)", "gone.md"),
        ("[gone](index.md#gone)", "gone"),
        ("```{eval-rst}\n.. autofunction:: rebox.gone\n```", "gone"),
    ],
)
def test_what_is_gone_breaks_the_build(tmp_path, text, said):
    pytest.importorskip("sphinx")
    source = tmp_path / "source"
    (source / "docs").mkdir(parents=True)
    (source / "docs" / "index.md").write_text(f"# A page\n\n{text}\n")
    done = build(source, tmp_path / "site")
    assert done.returncode == 1
    assert said in done.stderr
