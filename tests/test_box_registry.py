import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox import door
from rebox.box import BOXES, BoxURI, open_box
from rebox.box.contract import BlackBox
from rebox.errors import BoxError, InvalidOption


def test_uri_parts():
    uri = BoxURI.parse("onnx:C:\\my models/a&b=c #1.onnx?preprocess=imagenet&labels=a%26b.txt")
    assert uri.scheme == "onnx"
    assert uri.target == "C:\\my models/a&b=c #1.onnx"
    assert dict(uri.options) == {"preprocess": "imagenet", "labels": "a&b.txt"}


def test_uri_is_frozen():
    uri = BoxURI.parse("onnx:m?a=1")
    with pytest.raises(TypeError):
        uri.options["a"] = "2"


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_characters="?", exclude_categories=["Cs"]), max_size=20))
def test_a_target_holds_anything_but_a_question_mark(target):
    assert BoxURI.parse(f"torch:{target}?x=1") == BoxURI("torch", target, {"x": "1"})
    assert BoxURI.parse(f"torch:{target}").target == target


@pytest.mark.parametrize(
    "uri", ["model.onnx", "", ":x", "x y:z", "onnx:m?a", "onnx:m?a=", "o:m?=1"]
)
def test_unreadable_uris_are_refused(uri):
    with pytest.raises(InvalidOption):
        BoxURI.parse(uri)


def test_an_option_twice_is_refused():
    with pytest.raises(InvalidOption, match="seed is given twice"):
        BoxURI.parse("rehearsal:?seed=1&seed=2")


def test_an_unknown_scheme_names_the_known_ones():
    with pytest.raises(InvalidOption, match="onnx, recorded, rehearsal, torch"):
        open_box("clarify:x")


def test_an_unknown_option_names_the_known_ones():
    with pytest.raises(
        InvalidOption,
        match=r"box 'rehearsal' has no option 'klasses' \(did you mean 'classes'\?\); it has "
        r".*classes.*seed.*labels_only",
    ):
        open_box("rehearsal:?klasses=3")


def test_the_box_remembers_its_uri():
    uri = "rehearsal:?classes=3&size=8"
    assert open_box(uri).uri == uri


def test_built_in_schemes_need_no_installed_metadata(monkeypatch):
    monkeypatch.setattr(door, "entry_points", lambda **_: ())
    services = {
        "anthropic",
        "azure-custom-vision",
        "chat",
        "clarifai",
        "http",
        "huggingface",
        "mlflow",
        "oip",
        "vertex",
    }
    assert set(BOXES) == {"demo", "onnx", "recorded", "rehearsal", "torch"} | services
    assert len(open_box("rehearsal:").spec.classes) == 10
    assert len(open_box("demo:digits").spec.classes) == 10


def test_entry_points_add_schemes_but_replace_none(monkeypatch):
    points = [
        EntryPoint("mine", f"{__name__}:open_mine", "rebox.boxes"),
        EntryPoint("rehearsal", f"{__name__}:open_mine", "rebox.boxes"),
        EntryPoint("gone", "no_such_module:open_it", "rebox.boxes"),
    ]
    monkeypatch.setattr(
        door,
        "entry_points",
        lambda group, name=None: [p for p in points if name in (None, p.name)],
    )
    assert open_box("mine:there").spec.identity == "there"
    assert open_box("rehearsal:").spec.identity.startswith("rehearsal:")
    with pytest.raises(InvalidOption, match="no_such_module"):
        open_box("gone:x")
    with pytest.raises(BoxError, match="expected a BlackBox"):
        open_box("mine:nothing")


def open_mine(target):
    if target == "nothing":
        return None
    box = open_box("rehearsal:")
    object.__setattr__(box.spec, "identity", target)
    return box


def test_opened_boxes_are_black_boxes():
    assert isinstance(open_box("rehearsal:"), BlackBox)


@pytest.mark.slow
def test_importing_boxes_imports_no_runtime():
    code = (
        "import sys, rebox.box; "
        "print(*{'onnxruntime', 'torch', 'torchvision', 'timm'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    printed = subprocess.check_output(command, text=True)
    assert printed.strip() == ""
