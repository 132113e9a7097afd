"""The rings hold: each name imports only names to its left, or itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rebox

ROOT = Path(rebox.__file__).parent
RINGS = (
    "errors",
    "option",
    "program mapping loss search box metric task local",
    "meter recipe testing reading rehearsal inputs",
    "fit baseline",
    "artefact",
    "classifier server",
    "demo bench",
    "report",
    "cli",
)
RING = {name: depth for depth, ring in enumerate(RINGS) for name in ring.split()}
RING["__init__"] = RING["classifier"]  # the package itself shows what it re-exports
NAMELESS = {"utils", "misc", "helpers", "common", "base"}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def module_of(path):
    """Return the module's name under rebox, as box.onnx."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree, module):
    """Yield the names under rebox that a module imports, lazily or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports by a relative name"
            whole = node.module == "rebox"
            names = [f"rebox.{a.name}" for a in node.names] if whole else [node.module]
        else:
            continue
        for name in names:
            package, _, inner = name.partition(".")
            if package == "rebox":
                yield "__init__" if not inner or inner in rebox.__all__ else inner.split(".")[0]


def trespasses(source, module):
    own = module.split(".")[0]
    for name in imported(ast.parse(source), module):
        if name not in RING:
            yield f"{module} imports {name}, which has no ring: add it to RINGS"
        elif name != own and RING[name] >= RING[own]:
            yield f"{module} imports {name}, which is not to its left"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_module_imports_only_what_is_to_its_left(path):
    module = module_of(path)
    assert module.split(".")[0] in RING, f"{module} has no ring: add it to RINGS"
    assert not NAMELESS & set(module.split(".")), f"{module} has a name that says nothing"
    assert not list(trespasses(path.read_text(), module))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("loss", "from rebox.box import BlackBox"),  # one ring, blind to each other
        ("mapping.linear", "def f():\n    import rebox.fit.loop"),
        ("box.onnx", "from rebox import classifier"),
        ("errors", "from rebox.loss import Focal"),
        ("fit.loop", "if True:\n    from rebox.artefact import load"),
        ("report", "import rebox.unknown"),
        ("artefact", "from rebox import Reprogrammer"),
        ("meter", "import rebox"),
    ],
)
def test_a_trespass_is_seen(module, source):
    assert list(trespasses(source, module))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("loss", "import numpy, rebox.errors"),
        ("mapping.linear", "from rebox.mapping.contract import Answers"),
        ("fit.loop", "from rebox.meter import Meter"),
        ("cli", "from rebox import Reprogrammer"),
    ],
)
def test_the_way_to_the_left_is_open(module, source):
    assert not list(trespasses(source, module))


def test_importing_rebox_is_light():
    """scikit-learn imports pandas where it is installed: what counts is what rebox adds."""
    heavy = ("torch", "onnxruntime", "matplotlib", "pandas", "typer", "rich", "httpx2")
    code = (
        "import sys, sklearn.utils, sklearn.base; before = set(sys.modules); import rebox; "
        f"print([m for m in {heavy} if m in set(sys.modules) - before])"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
