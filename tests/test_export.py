"""A model as one ONNX file says what rebox says. ONNX Runtime is the real one, as are the boxes."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from rebox import FunctionBox, Reprogrammer
from rebox.cli.app import app
from rebox.decision.contract import ByCosts, ByGrade, ByOffsets
from rebox.demo import load_mirrored, load_patients, open_digits
from rebox.demo.digits import PATH
from rebox.errors import ArtefactError, InvalidOption, OutputError

onnx = pytest.importorskip("onnx")
from rebox.export import export_onnx  # noqa: E402 - after the extra was looked for
from rebox.export.covariance import logarithm  # noqa: E402
from rebox.export.deciding import label  # noqa: E402
from rebox.export.graph import TYPES, Graph  # noqa: E402
from rebox.export.looking import blocks  # noqa: E402
from rebox.export.pictures import planes_of_images  # noqa: E402
from rebox.export.placing import dressed  # noqa: E402
from rebox.export.reading import _features  # noqa: E402
from rebox.export.resizing import weights  # noqa: E402
from rebox.export.suited import check_exportable  # noqa: E402
from rebox.fit import Question  # noqa: E402
from rebox.local import PlainFeatures  # noqa: E402
from rebox.program import Canvas, Program, View  # noqa: E402
from rebox.reading.features import KINDS, AnswerFeatures  # noqa: E402
from rebox.sample import Inputs  # noqa: E402

pytestmark = pytest.mark.slow


def run(graph, outputs, kind, **values):
    """Return what a graph makes of values, by ONNX Runtime."""
    (dtype,) = {str(value.dtype) for value in values.values()}
    taken = [
        onnx.helper.make_tensor_value_info(name, TYPES[dtype], ["n", *value.shape[1:]])
        for name, value in values.items()
    ]
    given = [onnx.helper.make_tensor_value_info(name, kind, None) for name in outputs]
    drawn = onnx.helper.make_graph(graph.nodes, "g", taken, given, graph.constants)
    model = onnx.helper.make_model(
        drawn, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(list(outputs), values)


def pictures(rng, n, shape, pixels):
    smooth = rng.random((n, 3, 3, shape[2]))
    large = np.stack(
        [
            np.dstack(
                [
                    np.asarray(
                        Image.fromarray(one[:, :, c].astype(np.float32)).resize(shape[1::-1])
                    )
                    for c in range(shape[2])
                ]
            )
            for one in smooth
        ]
    )
    noisy = np.clip(large + 0.1 * rng.normal(size=large.shape), 0, 1)
    return np.rint(noisy * 255).astype(np.uint8) if pixels == "uint8" else noisy.astype(np.float32)


VIEWS = st.builds(
    View,
    turn=st.integers(0, 7),
    window=st.sampled_from([(0.0, 0.0, 1.0, 1.0), (0.25, 0.1, 0.5, 0.7)]),
    scale=st.sampled_from([1.0, 0.6]),
    background=st.sampled_from([0.5, 0.0]),
    contrast=st.sampled_from([1.0, 1.7]),
    gamma=st.sampled_from([1.0, 0.5, 2.0]),
    saturation=st.sampled_from([1.0, 0.0, 1.5]),
    channels=st.sampled_from([(0, 1, 2), (2, 0, 1)]),
    invert=st.booleans(),
    level=st.booleans(),
    colours=st.sampled_from(["", "heat", "rainbow"]),
    shuffle=st.integers(0, 1),
    anchor=st.sampled_from([0.0, 0.3]),
)


@settings(max_examples=40, deadline=None)
@given(
    view=VIEWS,
    fit=st.sampled_from(["pad", "contain", "stretch"]),
    pixels=st.sampled_from(["uint8", "float32"]),
    channels=st.sampled_from([1, 3]),
    deep=st.sampled_from([1, 3]),
    size=st.sampled_from([(20, 20), (23, 31), (60, 40)]),
)
def test_every_view_shows_what_rebox_shows(view, fit, pixels, channels, deep, size):
    placement = Canvas(fit=fit, view=view).placement(size, (32, 28, deep))
    images = pictures(np.random.default_rng(0), 3, (*size, channels), pixels)
    graph = Graph()
    planes = planes_of_images(
        graph, "x", Inputs(size=size), levels=pixels == "uint8", channels=channels
    )
    program = Program(placement)
    shown = dressed(graph, planes, Question(program=program), program)
    (found,) = run(graph, [shown], TYPES["float32"], x=images)
    # the root of what rounding leaves of black is larger than that; a grey level is 4e-3
    most = 5e-4 if view.gamma < 1 else 1e-5
    assert np.abs(np.moveaxis(found, 1, 3) - placement.place(list(images))).max() < most


@pytest.mark.parametrize("pixels", ["uint8", "float32"])
@pytest.mark.parametrize(("channels", "deep"), [(1, 1), (3, 3), (3, 1), (1, 3)])
def test_what_is_seen_of_pictures_is_what_rebox_sees(pixels, channels, deep):
    images = pictures(np.random.default_rng(1), 4, (50, 70, channels), pixels)
    images[3] = images[3, :1, :1]  # one colour: nothing varies
    if pixels == "uint8":
        images[2] = images[2] // 64  # nearly black, with steps of one level
    graph = Graph()
    planes = planes_of_images(
        graph, "x", Inputs(size=(50, 70)), levels=pixels == "uint8", channels=channels
    )
    plain = PlainFeatures(kind="picture", channels=deep)
    found = run(graph, blocks(graph, plain, "x", planes), TYPES["float32"], x=images)
    for ours, theirs in zip(plain.transform(list(images)), found, strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() < 2e-4


@settings(max_examples=25, deadline=None)
@given(size=st.integers(2, 12), spread=st.floats(0, 6), seed=st.integers(0, 99))
def test_the_logarithm_of_a_matrix_is_that_of_its_eigenvalues(size, spread, seed):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(size, size)))[0]
    values = 10.0 ** -np.linspace(0, spread, size)
    graph = Graph()
    (found,) = run(
        graph, [logarithm(graph, "x", size)], TYPES["float64"], x=((axes * values) @ axes.T)[None]
    )
    assert np.allclose(found[0], (axes * np.log(values)) @ axes.T, atol=1e-7)


@pytest.mark.parametrize(("old", "new"), [(64, 16), (16, 64), (31, 17), (5, 5), (450, 224)])
def test_the_weights_of_resizing_are_pillows(old, new):
    line = np.eye(old, dtype=np.float32)
    theirs = np.asarray(Image.fromarray(line).resize((new, old), Image.Resampling.BILINEAR))
    assert np.abs(weights(old, new).T - theirs).max() < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_looked_at_as_rebox_does(kind):
    scores = np.random.default_rng(0).dirichlet(np.ones(5) / 3, 9).astype(np.float32)
    scores[0] = [1, 0, 0, 0, 0]
    features = AnswerFeatures(kind)
    graph = Graph()
    (found,) = run(graph, [_features(graph, features, "x")], TYPES["float64"], x=scores)
    assert np.abs(found - features(scores)).max() < 1e-9


@pytest.mark.parametrize(
    "decision",
    [
        None,
        ByOffsets(np.log([5.0, 1.0, 0.2])),
        ByCosts(np.array([[0, 1, 9], [2, 0, 1], [1, 1, 0.0]])),
        ByGrade(np.array([2, 0, 1]), np.array([0.6, 1.3])),
    ],
)
@pytest.mark.parametrize("classes", [np.array(["a", "bé", "c"]), np.array([3, -1, 8])])
def test_the_label_is_the_one_that_rebox_says(decision, classes):
    said = np.random.default_rng(0).dirichlet(np.ones(3), 200)
    graph = Graph()
    kind = onnx.TensorProto.STRING if classes.dtype.kind == "U" else onnx.TensorProto.INT64
    (found,) = run(graph, [label(graph, decision, "x", classes)], kind, x=said)
    places = said.argmax(axis=1) if decision is None else decision.decide(said)
    assert found.tolist() == classes[places].tolist()
    assert len({*found.tolist()}) == 3


@pytest.fixture(scope="module")
def digits():
    given = load_mirrored()
    train, test = (np.rint(x * 255).astype(np.uint8)[..., None] for x in (given.train, given.test))
    return train[:40], given.train_labels[:40], test[:60]


@pytest.fixture(scope="module")
def patients():
    given = load_patients()
    return given.train[:120], given.train_labels[:120], given.test.astype(np.float32)


MODELS = [
    ("digits", "auto", {"budget": 500, "queries_per_prediction": 3}),
    ("digits", "auto", {"budget": 200, "queries_per_prediction": 0}),
    ("digits", "auto?stack=false", {"budget": 200}),
    ("digits", "local", {}),
    ("digits", "bar", {"budget": 300}),
    ("digits", "program", {"budget": 300}),
    ("digits", "map?rule=blm", {"budget": 100}),
    ("digits", "map?rule=hellinger", {"budget": 100}),
    ("patients", "auto", {"budget": 400, "queries_per_prediction": 3}),
    ("patients", "local", {}),
    ("patients", "map?rule=kernel", {"budget": 200}),
    ("patients", "auto", {"budget": 200, "objective": "sensitivity:malignant>=0.95"}),
]


@pytest.mark.parametrize(("task", "recipe", "options"), MODELS)
def test_a_model_and_its_file_say_the_same(task, recipe, options, request, tmp_path):
    train, labels, test = request.getfixturevalue(task)
    box = open_digits() if options else None
    model = Reprogrammer(box, recipe, random_state=0, **options).fit(train, labels)
    made = export_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(made.path))
    name = session.get_inputs()[0].name
    probabilities, said = session.run(["probabilities", "label"], {name: test})
    assert np.abs(probabilities - model.predict_proba(test)).max() < 1e-5
    assert said.tolist() == model.predict(test).tolist()
    assert made.largest < 1e-5
    assert made.bytes == made.path.stat().st_size


def test_a_value_range_is_the_models(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (40, 12, 12)).astype(np.float32)
    y = (x[:, :6].mean(axis=(1, 2)) > 0).astype(int)
    model = Reprogrammer(open_digits(), "map", budget=60, random_state=0, value_range=(-1, 1))
    model.fit(x, y)
    made = export_onnx(model, tmp_path / "model.onnx", pixels="float32")
    session = onnxruntime.InferenceSession(str(made.path))
    said, labels = session.run(None, {"images": x[..., None]})
    assert np.abs(said - model.predict_proba(x)).max() < 1e-5
    assert labels.tolist() == model.predict(x).tolist()


def test_the_file_runs_where_rebox_is_not(patients, tmp_path):
    train, labels, test = patients
    model = Reprogrammer(recipe="local", random_state=0).fit(train, labels)
    export_onnx(model, tmp_path / "model.onnx")
    np.save(tmp_path / "rows.npy", test[:5])
    code = (
        "import sys, numpy, onnxruntime\n"
        "session = onnxruntime.InferenceSession('model.onnx')\n"
        "print(session.run(['label'], {'rows': numpy.load('rows.npy')})[0].tolist())\n"
        "assert not [name for name in sys.modules if name.startswith('rebox')]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(model.predict(test[:5]).tolist())


def function_box(x, y):
    box = FunctionBox(lambda images: images.mean(axis=(1, 2))[:, :2] + 0.1, size=(8, 8), classes=2)
    return Reprogrammer(box, "map", budget=60, random_state=0).fit(x, y)


def texts(x, y):
    return Reprogrammer(recipe="local", random_state=0).fit(["ab" * (1 + v) for v in y], y)


def encoder(x, y):
    def encode(images):
        return np.asarray([np.asarray(image).mean(axis=(0, 1)) for image in images])

    return Reprogrammer(recipe="local", random_state=0, encoder=encode).fit(x, y)


def correlations(x, y):
    rng = np.random.default_rng(0)
    x = np.stack([np.corrcoef(rng.normal(size=(30, 40))) for _ in y])
    return Reprogrammer(recipe="local", random_state=0, value_range=(-1, 1)).fit(x, y)


def one_at_a_time(x, y, folder):
    file = onnx.load(PATH)
    for value in (file.graph.input[0], file.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(file, folder / "one.onnx")
    box = f"onnx:{folder / 'one.onnx'}"
    return Reprogrammer(box, "map", budget=60, random_state=0).fit(x, y)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (function_box, "which is no ONNX file"),
        (texts, "its samples are texts"),
        (encoder, "by an encoder"),
        (correlations, "of the kind covariance by their eigenvalues"),
        (one_at_a_time, "takes 1 images at a time"),
    ],
)
def test_what_cannot_be_exported_says_why(made, why, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8), np.arange(24) % 2
    model = made(x, y, tmp_path) if made is one_at_a_time else made(x, y)
    with pytest.raises(ArtefactError, match=f"cannot be exported: .*{why}"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_ids_and_policies_are_refused(patients):
    train, labels, _ = patients
    fitted = Reprogrammer(recipe="local", random_state=0).fit(train, labels).artefact_
    with pytest.raises(ArtefactError, match="its samples are ids"):
        check_exportable(fitted.model, None, (), texts=False)
    asking = replace(fitted.model, policy=object())
    with pytest.raises(ArtefactError, match="its policy asks some boxes"):
        check_exportable(asking, fitted.inputs, (), texts=False)


@pytest.mark.parametrize("options", [{"pixels": "int8"}, {"channels": 2}])
def test_an_option_that_is_none_is_refused(patients, options, tmp_path):
    train, labels, _ = patients
    model = Reprogrammer(recipe="local", random_state=0).fit(train, labels)
    with pytest.raises(InvalidOption, match="must be"):
        export_onnx(model, tmp_path / "model.onnx", **options)


def test_the_command_writes_the_file_and_says_what_it_takes(patients, tmp_path):
    train, labels, _ = patients
    Reprogrammer(recipe="local", random_state=0).fit(train, labels).save(tmp_path / "m.rebox")
    line = ["export", str(tmp_path / "m.rebox"), str(tmp_path / "m.onnx")]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    assert "takes rows: float32 (n, 30)" in result.output
    assert onnxruntime.InferenceSession(str(tmp_path / "m.onnx")).get_inputs()[0].name == "rows"


def test_the_file_of_a_box_is_never_written_over(patients, tmp_path):
    train, labels, _ = patients
    own = Path(shutil.copy(PATH, tmp_path / "model.onnx"))
    link = tmp_path / "link.onnx"
    link.symlink_to(own)
    (tmp_path / "hard.onnx").hardlink_to(own)
    model = Reprogrammer(f"onnx:{own}", "map", budget=60, random_state=0)
    model.fit(train[:60], labels[:60]).save(tmp_path / "m.rebox")
    for written in (own, link, tmp_path / "hard.onnx"):
        result = CliRunner().invoke(app, ["export", str(tmp_path / "m.rebox"), str(written)])
        assert "the model asks that file; name another." in str(result.exception)
        with pytest.raises(OutputError, match="the model asks that file"):
            export_onnx(model, written)
    assert own.read_bytes() == PATH.read_bytes()
