"""The rings hold: each name imports only names to its left, or itself."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.main import get_group

import rebox
from rebox.cli.app import COMMANDS, Announced, app

ROOT = Path(rebox.__file__).parent
RINGS = (
    "errors",
    "option money output notebook idle",
    "door seed",
    "subject",
    "sample",
    "program search loss box metric local",
    "reading decision",
    "meter recipe testing rehearsal",
    "fit",
    "artefact track",
    "classifier serve",
    "study export mlflow",
    "demo",
    "cli",
    "__main__",
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
        ("reading.linear", "def f():\n    import rebox.fit.fit"),
        ("box.onnx", "from rebox import classifier"),
        ("errors", "from rebox.loss import Focal"),
        ("fit.fit", "if True:\n    from rebox.artefact import load"),
        ("study.report", "import rebox.unknown"),
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
        ("reading.linear", "from rebox.reading.contract import Answers"),
        ("fit.fit", "from rebox.meter import Meter"),
        ("cli", "from rebox import Reprogrammer"),
    ],
)
def test_the_way_to_the_left_is_open(module, source):
    assert not list(trespasses(source, module))


def definer(module, name, trail=()):
    """Return the file that an imported name is defined in, through what packages re-export."""
    inner = f"{module}.{name}".lstrip(".")
    if inner in MODULES:
        return inner
    if module not in MODULES or (module, name) in trail:
        return None
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.ImportFrom) and any(a.name == name for a in node.names):
            package, _, source = node.module.partition(".")
            found = definer(source, name, (*trail, (module, name))) if package == "rebox" else None
            if found is not None:
                return found
    return module


def files_imported(tree):
    """Yield the files that a file imports from, lazily, for types alone, or through a package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = (a.name.partition(".") for a in node.names)
            yield from (inner for package, _, inner in names if package == "rebox")
        elif isinstance(node, ast.ImportFrom):
            package, _, source = node.module.partition(".")
            if package == "rebox":
                yield from (definer(source, alias.name) for alias in node.names)


def cycles(graph):
    """Return a circle of names, each leading to the next, for each way round that there is."""
    done, found = set(), []

    def visit(name, trail):
        if name in trail:
            found.append([*trail[trail.index(name) :], name])
        elif name not in done:
            for other in sorted(graph.get(name, ())):
                visit(other, [*trail, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
    return found


MODULES = {module_of(path): ast.parse(path.read_text()) for path in FILES}
MODULES[""] = ast.parse((ROOT / "__init__.py").read_text())


@pytest.mark.slow
def test_no_file_imports_in_a_circle():
    graph = {
        name: {one for one in files_imported(tree) if one in MODULES and one != name}
        for name, tree in MODULES.items()
    }
    assert sum(map(len, graph.values())) > len(graph)  # it does see imports
    assert cycles(graph) == []


def test_a_circle_is_seen():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == [["a", "b", "c", "a"]]
    assert cycles({"a": {"b", "c"}, "b": {"c"}}) == []


def test_a_lazy_import_counts_and_so_does_one_for_types():
    lazy = "def f():\n    from rebox.box import Scratch"
    typed = "if TYPE_CHECKING:\n    from rebox.errors import Error"
    assert list(files_imported(ast.parse(lazy))) == ["box.preprocess"]
    assert list(files_imported(ast.parse(typed))) == ["errors"]


def named_behind_doors():
    """Yield what doors name by a string, ``module:object``, and import when it is asked for."""
    for module, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                at = re.fullmatch(r"rebox\.([\w.]+):(\w+)", node.value)
                if at:
                    yield module, at[1], at[2]


def test_what_a_door_names_stands_there():
    """The only way to the right is a name that is looked up when somebody asks for it."""
    named = list(named_behind_doors())
    assert {module for module, *_ in named} == {
        "box.encoder",
        "box.registry",
        "box.service.key",
        "box.service.price",
        "cli.serve",  # what each worker is made by
        "recipe.contract",
        "rehearsal.service",
        "sample.task",
    }
    for _, module, name in named:
        stands = {
            named
            for node in ast.walk(MODULES[definer(module, name)])
            for named in (getattr(node, "name", None), getattr(node, "id", None))
        }
        assert name in stands, f"{module} has no {name}"


def test_no_class_name_has_two_meanings():
    names = [
        node.name
        for tree in MODULES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    assert sorted({name for name in names if names.count(name) > 1}) == []


HEAVY = {
    "numpy",
    "scipy",
    "sklearn",
    "pandas",
    "onnxruntime",
    "PIL",
    "torch",
    "matplotlib",
    "httpx2",
}
COMMAND_LINE = "import sys; from rebox.cli import main; sys.argv = ['rebox', {!r}]; main()"


def loaded_by(code):
    """Return the top-level names of what is loaded once ``code`` has run."""
    ask = "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    code = f"import atexit, sys; atexit.register(lambda: {ask}); {code}"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import rebox", set()),
        ("import rebox; dir(rebox); rebox.Error", set()),
        (COMMAND_LINE.format("--version"), {"typer", "rich"}),
        (COMMAND_LINE.format("--help"), {"typer", "rich"}),
    ],
)
def test_starting_loads_no_package_that_takes_long(code, allowed):
    assert loaded_by(code) & (HEAVY | {"typer", "rich"}) <= allowed


def test_opening_a_box_loads_neither_scikit_learn_nor_what_is_an_extra():
    path = ROOT / "demo" / "digits.onnx"
    loaded = loaded_by(f"import rebox; rebox.open_box('onnx:{path}?preprocess=unit')")
    assert loaded & {"sklearn", "torch", "matplotlib", "typer", "rich", "httpx2"} == set()


def test_every_name_of_the_package_is_there_and_no_other():
    assert {name for names in rebox.ROOMS.values() for name in names} == {*rebox.__all__} - {
        "__version__"
    }
    for room, names in rebox.ROOMS.items():
        for name in names:
            assert getattr(rebox, name) is getattr(import_module(f"rebox.{room}"), name)
            assert definer("", name) == definer(room, name)  # what type checkers are told
    assert {*rebox.__all__} <= {*dir(rebox)}
    with pytest.raises(AttributeError, match="no attribute 'Reprogramer'"):
        _ = rebox.Reprogramer


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_of_each_command_what_the_command_says_of_itself(name):
    module, sentence = COMMANDS[name]
    import_module(f"rebox.cli.{module}")
    command = get_group(app).commands[name]
    assert not isinstance(command, Announced)
    assert command.help.split("\n\n")[0].replace("\n", " ") == sentence


def test_every_command_is_announced():
    for path in (ROOT / "cli").glob("*.py"):
        import_module(f"rebox.cli.{path.stem}")
    assert list(get_group(app).commands) == list(COMMANDS)
