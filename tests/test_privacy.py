"""What leaves this machine: pixels and no more, said before it does, and nothing by local_only.

Pictures with EXIF are real files, and what is sent is read with Pillow; `stub_transport` keeps it.
"""

import base64
import io
import json
import logging
import re
import warnings

import numpy as np
import pytest
from PIL import Image
from stub_transport import Stub, says
from test_box_chat import chosen
from typer.testing import CliRunner

from rebox import Reprogrammer
from rebox.box import check_stays, open_box, privacy, words_of_leaving
from rebox.cli.app import app
from rebox.errors import BoxMismatch, InvalidData, InvalidOption, SamplesLeave
from rebox.fit import Leaving
from rebox.meter import Budget, Journal, JournalAccount, Meter
from rebox.sample.texts import as_texts

AWAY = "chat:m?base_url=https://far.example/v1&classes=cat,dog&read=label&size=16&price_usd=0"
SECRETS = (b"Canon", b"Zurich", b"patient 17", b"thumbnail")


def picture_with_exif(path, level):
    image = Image.new("RGB", (20, 20), (level, 255 - level, 3 * level % 256))
    exif = Image.Exif()
    exif[0x010F], exif[0x010E], exif[0x013B] = "Canon", "Zurich", "patient 17"
    exif.get_ifd(0x8825)[1] = "N"
    image.save(path, exif=exif, comment=b"thumbnail")
    assert b"Canon" in path.read_bytes()
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("image_format", ["png", "jpeg"])
def test_exif_never_leaves(tmp_path, suffix, image_format):
    paths = [picture_with_exif(tmp_path / f"{i}.{suffix}", 9 * i) for i in range(12)]
    box = open_box(f"{AWAY}&image_format={image_format}")
    box.transport = Stub(says(chosen("A")), *[says(chosen("AB"[i % 2])) for i in range(40)])
    model = Reprogrammer(box, "auto", budget=12, journal=False, canaries=0)
    model.fit(paths, ["x", "y"] * 6)
    assert len(box.transport.requests) == 12
    for request in box.transport.requests:
        (_, shown) = json.loads(request.content)["messages"][0]["content"]
        file = base64.b64decode(shown["image_url"]["url"].partition(",")[2])
        assert not any(secret in file or secret in request.content for secret in SECRETS)
        with Image.open(io.BytesIO(file)) as image:
            assert dict(image.getexif()) == {}
            assert image.size == (16, 16)
            assert not {"exif", "comment", "icc_profile"} & set(image.info)


def test_what_leaves_is_said_before_it_does(caplog):
    told = []
    box = open_box(AWAY)
    box.transport = Stub(says(chosen("A")))

    def hear(event):
        if isinstance(event, Leaving):
            assert box.transport.requests == []
            told.append(event.words)

    model = Reprogrammer(box, budget=8, journal=False, canaries=0, listeners=[hear])
    with caplog.at_level(logging.INFO, logger="rebox"):
        model.fit(np.random.default_rng(0).random((8, 16, 16, 3)), ["x", "y"] * 4)
    (words,) = told
    assert words in caplog.text
    assert words.startswith("to far.example goes of each sample: 16 x 16 pixels, as a new file")
    assert "EXIF" in words
    assert "names of the classes" in words


def test_nothing_is_said_of_what_stays():
    boxes = [open_box(AWAY.replace("https://far.example", "http://localhost:8"))]
    assert words_of_leaving([*boxes, open_box("rehearsal:")]) == []
    texts = open_box(AWAY).taking("texts")
    assert "its text, as it is" in words_of_leaving([texts, texts])[0]


STAYING = [
    "rehearsal:?classes=3",
    "chat:m?base_url=http://127.0.0.1:8080/v1&classes=a,b",
    "http:http://localhost:5/x?classes=a,b",
    "anthropic:m?base_url=http://localhost:8080&classes=a,b",
]
LEAVING = [
    ("chat:m?classes=a,b", "its service"),
    (AWAY, "far.example"),
    ("anthropic:m?classes=a,b", "its service"),
    ("clarifai:moderation-recognition", "its service"),
    ("oip:https://10.0.0.7:8000/m", "10.0.0.7:8000"),  # which would be asked when it is opened
    ("http:http://localhost.example/x?classes=a,b", "localhost.example"),
    ("mlflow:http://192.168.0.2:5000?classes=a,b", "192.168.0.2:5000"),
]


@pytest.mark.parametrize("uri", STAYING)
def test_what_stays_here_is_allowed(uri):
    check_stays([uri, open_box(uri)])


@pytest.mark.parametrize(("uri", "where"), LEAVING)
def test_what_leaves_is_refused_before_it_is_opened(uri, where):
    with pytest.raises(InvalidOption, match=f"is asked at {where}, and local_only keeps"):
        check_stays(["rehearsal:", uri])
    model = Reprogrammer(uri, budget=10, local_only=True)
    with pytest.raises(InvalidOption, match="local_only"):
        model.fit(np.zeros((4, 8, 8, 3), dtype=np.uint8), list("xyxy"))


def test_a_box_in_python_is_refused_too():
    with pytest.raises(InvalidOption, match="local_only"):
        check_stays([open_box(AWAY)])


def test_a_model_that_would_leave_is_not_loaded(tmp_path):
    box = open_box(AWAY)
    box.transport = Stub(says(chosen("A")), *[says(chosen("AB"[i % 2])) for i in range(40)])
    model = Reprogrammer(box, "map", budget=8, journal=False, canaries=0)
    model.fit(np.random.default_rng(0).random((8, 16, 16, 3)), ["x", "y"] * 4)
    model.save(tmp_path / "m.rebox")
    with pytest.raises(InvalidOption, match=r"far\.example, and local_only"):
        Reprogrammer.load(tmp_path / "m.rebox", local_only=True)
    with pytest.raises(InvalidOption, match=r"far\.example, and local_only"):
        Reprogrammer.load(tmp_path / "m.rebox", box, local_only=True)


def test_the_command_line_refuses_what_leaves(tmp_path):
    for label in ("x", "y"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (8, 8), (i, 9, 9)).save(tmp_path / "data" / label / f"{i}.png")
    arguments = ["fit", "--data", str(tmp_path / "data"), "--budget", "6", "--local-only"]
    arguments += ["--box", AWAY, "--out", str(tmp_path / "m.rebox")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code != 0
    assert isinstance(result.exception, InvalidOption) or "local_only" in result.output


def test_a_text_is_sent_as_a_redaction_leaves_it():
    def without_names(text):
        return text.replace("Ada Lovelace", "[name]")

    plain = open_box(AWAY).taking("texts")
    box = plain.redacting(without_names)
    box.transport = Stub(says(chosen("A")))
    with box:
        box.ask(as_texts(["Ada Lovelace met a cat"]))
    sent = box.transport.requests[0].content.decode()
    assert "[name] met a cat" in sent
    assert "Lovelace" not in sent
    assert box.uri is None
    assert box.spec.identity != plain.spec.identity
    assert "as without_names leaves it" in words_of_leaving([box])[0]
    with pytest.raises(InvalidOption, match="for texts"):
        open_box(AWAY).redacting(without_names)


@pytest.mark.parametrize("bad", [None, "", 7, b"x"])
def test_a_redaction_that_gives_no_text_sends_nothing(bad):
    box = open_box(AWAY).taking("texts").redacting(lambda _: bad)
    box.transport = Stub(says(chosen("A")))
    with box, pytest.raises(InvalidOption, match="redact returned"):
        box.ask(as_texts(["Ada"]))
    assert box.transport.requests == []


def test_half_a_character_that_a_redaction_leaves_is_said():
    box = open_box(AWAY).taking("texts").redacting(lambda _: "a\ud800")
    box.transport = Stub(says(chosen("A")))
    with box, pytest.raises(InvalidOption, match="half a character"):
        box.ask(as_texts(["Ada"]))
    assert box.transport.requests == []


def test_what_is_no_function_cannot_redact():
    with pytest.raises(InvalidOption, match="takes a function of a text, found 'x'"):
        open_box(AWAY).taking("texts").redacting("x")


@pytest.mark.parametrize("texts", [["\ud800"], np.array(["\ud800"], dtype=object)])
def test_half_a_character_is_sent_nowhere(texts):
    box = open_box(AWAY).taking("texts")
    box.transport = Stub(says(chosen("A")))
    with box, pytest.raises(InvalidData, match="half a character"):
        box.answer(texts)
    assert box.transport.requests == []


def test_two_redactions_are_two_boxes():
    plain = open_box(AWAY).taking("texts")
    one = plain.redacting(lambda text: re.sub(r"\d", "#", text))
    other = plain.redacting(lambda _: "xxx")
    assert "|redacted=<lambda>#" in one.spec.identity
    assert one.spec.identity != other.spec.identity
    assert one.spec == plain.redacting(lambda text: re.sub(r"\d", "#", text)).spec


def test_a_journal_knows_texts_by_what_was_sent_of_them(tmp_path):
    secret = {"Ada": "X"}  # changes, and neither its name nor what it leaves of other texts does

    def without(text):
        return "".join(secret.get(word, word) for word in re.split(r"(\W)", text))

    box = open_box(AWAY.replace("price_usd=0", "price_usd=0.001")).taking("texts")
    box = box.redacting(without)
    box.transport = Stub(says(chosen("A")))

    def sent(texts):
        account = JournalAccount(
            Journal(tmp_path / "j.sqlite"), name="a", training=Budget(), prediction=Budget()
        )
        before = len(box.transport.requests)
        Meter([box], account=account).asker(box, "map").ask(as_texts(texts))
        return len(box.transport.requests) - before

    assert sent(["Ada purrs"]) == 1
    assert sent(["X purrs"]) == 0  # which is what was asked
    secret["purrs"] = "Y"
    assert sent(["Ada purrs"]) == 1


def test_a_model_is_not_loaded_with_another_redaction(tmp_path):
    plain = open_box(AWAY).taking("texts")

    def box_of(function):
        box = plain.redacting(function)
        box.transport = Stub(*[says(chosen("AB"[i % 2])) for i in range(40)])
        return box

    fitted = box_of(str.upper)
    model = Reprogrammer(fitted, "map", budget=8, journal=False, canaries=0)
    model.fit([f"text {i}" for i in range(8)], ["x", "y"] * 4).save(tmp_path / "m.rebox")
    Reprogrammer.load(tmp_path / "m.rebox", box_of(str.upper))
    with pytest.raises(BoxMismatch, match="not redacted as they were"):
        Reprogrammer.load(tmp_path / "m.rebox", box_of(str.lower))
    with pytest.raises(BoxMismatch, match="texts were redacted"):
        Reprogrammer.load(tmp_path / "m.rebox", plain)


@pytest.fixture
def unwarned():
    privacy._WARNED.clear()
    yield
    privacy._WARNED.clear()


def fit_away(uri=AWAY, **options):
    box = open_box(uri)
    box.transport = Stub(*[says(chosen("AB"[i % 2])) for i in range(40)])
    model = Reprogrammer(box, "map", budget=8, journal=False, canaries=0, **options)
    return model.fit([f"text {i}" for i in range(8)], ["x", "y"] * 4)


def warned(**options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit_away(**options)
    return [str(one.message) for one in caught if one.category is SamplesLeave]


@pytest.mark.usefixtures("unwarned")
def test_a_fit_that_nobody_listens_to_warns_once_for_each_host():
    (words,) = warned()
    assert words.startswith("to far.example goes of each sample: its text, as it is; beside it")
    assert "REBOX_TRUSTED=far.example" in words
    assert warned() == []
    assert len(warned(uri=AWAY.replace("far.example", "other.example"))) == 1
    assert warned(uri=AWAY.replace("https://far.example", "http://localhost:8")) == []


@pytest.mark.usefixtures("unwarned")
def test_who_listens_logs_or_trusts_is_not_warned(monkeypatch, caplog):
    assert warned(listeners=[lambda _: None]) == []
    assert warned(verbose=1) == []
    with caplog.at_level(logging.INFO, logger="rebox"):
        assert warned() == []
    monkeypatch.setenv("REBOX_TRUSTED", "far.example")
    assert warned() == []
    monkeypatch.delenv("REBOX_TRUSTED")
    assert len(warned()) == 1
