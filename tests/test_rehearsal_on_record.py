"""What is on record of texts, and a fitted model of texts, answer behind a rehearsed chat model.

The rehearsal is a real server on the loopback interface; the answers on record are made up here,
but for WAIMAI's, which real services gave.
"""

import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rebox
from rebox.box import open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.cli import main
from rebox.errors import InvalidData, InvalidOption
from rebox.rehearsal import Limits, Rehearsal
from rebox.rehearsal.on_record import TextsOnRecord

pytestmark = pytest.mark.slow

DATA = Path(os.environ.get("REBOX_DATA", Path(__file__).parents[2] / "shared" / "data"))
TEXTS = ("much too salty", "very\ntasty", "tasty, and soon")
PRICES = Limits(usd_per_m_in=1, usd_per_m_out=2)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")


def array(texts):
    found = np.empty(len(texts), dtype=object)
    found[:] = list(texts)
    return found


def by_letters(running, texts):
    """Return what a rehearsed chat model answers, read by its letters."""
    with open_box(f"{running.uri}&takes=texts&read=label") as chat:
        return chat.ask(texts)


@pytest.fixture
def answers(tmp_path):
    """A file of answers to three ids, and the table of their texts."""
    file, table = tmp_path / "answers.npz", tmp_path / "texts.csv"
    np.savez(
        file,
        ids=np.array(["a", "b", "c"]),
        truth=np.array([0, 1, 1]),
        services=np.array(["S"]),
        usd_per_10k=np.array([3.0]),
        labels=np.array([[0], [1], [1]]),
        confidence=np.array([[0.9], [0.8], [0.7]]),
    )
    with table.open("w", newline="", encoding="utf-8") as opened:
        rows = csv.writer(opened)
        rows.writerow(("id", "text"))
        rows.writerows(zip("abc", TEXTS, strict=True))
    return f"recorded:{file}?labels=bad,good", table


def test_a_text_is_answered_by_what_is_on_record_of_its_id(answers):
    uri, table = answers
    box = TextsOnRecord(open_box(uri), table)
    np.testing.assert_allclose(box.ask(array(TEXTS)), [[0.9, 0], [0, 0.8], [0, 0.7]], rtol=1e-6)
    assert box.ask(array([f"  {TEXTS[1]}\n"]))[0, 1] == np.float32(0.8)
    with Rehearsal("chat", box, limits=PRICES) as running:
        found = by_letters(running, array(TEXTS))
    np.testing.assert_array_equal(found, [[1, 0], [0, 1], [0, 1]])
    assert running.bill.queries == 3


def test_a_text_that_is_not_on_record_is_an_error_that_names_it(answers):
    uri, table = answers
    box = TextsOnRecord(open_box(uri), table)
    with pytest.raises(InvalidData, match="no text 'unheard of'; expected one of its 3"):
        box.ask(array(["unheard of"]))


def test_a_table_goes_with_a_box_that_is_asked_by_ids(answers, tmp_path):
    with pytest.raises(InvalidOption, match="takes images, and a table of texts"):
        TextsOnRecord(RehearsalBox(classes=2), answers[1])
    other = tmp_path / "other.csv"
    other.write_text("id,text\nz,a\n")
    with pytest.raises(InvalidData, match="has no answer to 1 of 1 ids, 'z'"):
        TextsOnRecord(open_box(answers[0]), other)
    other.write_text("number,review\n1,a\n")
    with pytest.raises(InvalidData, match=r"on the first line: name the columns so\.$"):
        TextsOnRecord(open_box(answers[0]), other)  # no option says what they are called


def played(*arguments):
    """Return a rehearsal that the command plays, and the URI that it printed."""
    command = [sys.executable, "-u", "-c", "from rebox.cli import main; main()", "rehearse"]
    playing = subprocess.Popen(
        [*command, *arguments, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    first = playing.stdout.readline()
    match = re.fullmatch("--box '(.*)'\n", first)
    if match is None:
        playing.kill()
        raise AssertionError(first + playing.stderr.read())
    return playing, match[1]


def ended(playing):
    """End a rehearsal by Ctrl-C and return its last line."""
    playing.send_signal(signal.SIGINT)
    rest, errors = playing.communicate(timeout=60)
    assert (playing.returncode, errors) == (0, "")
    return rest.splitlines()[-1]


def test_the_command_plays_answers_on_record(answers):
    uri, table = answers
    playing, chat = played(
        *("chat?logprobs=no", "--model", uri, "--texts", str(table)),
        *("--usd-per-m-in", "100", "--usd-per-m-out", "1000"),
    )
    try:
        assert "usd_per_m_in=100&usd_per_m_out=1000" in chat
        with open_box(f"{chat}&takes=texts&read=label") as box:
            np.testing.assert_array_equal(box.ask(array(TEXTS[:2])), [[1, 0], [0, 1]])
        bill = ended(playing)
    finally:
        playing.kill()
        playing.communicate()
    said = re.fullmatch(
        r"billed 2 queries of (\d+) \+ 2 tokens, \$(.*), in 2 requests; refused 0", bill
    )
    assert said is not None, bill
    assert float(said[2]) == pytest.approx((int(said[1]) * 100 + 2 * 1000) / 1e6, abs=0.005)


def test_the_command_plays_a_fitted_model_of_texts(tmp_path):
    texts = [f"{word} food {i}" for i in range(12) for word in ("tasty", "salty")]
    labels = ["good", "bad"] * 12
    file = tmp_path / "model.rebox"
    model = rebox.Reprogrammer(recipe="local", random_state=0).fit(texts, labels)
    model.save(file)
    playing, chat = played("chat", "--model", str(file))
    try:
        assert chat.endswith("&classes=bad,good")
        with open_box(f"{chat}&takes=texts&read=logprobs") as box:
            found = box.ask(array(texts[:4]))
        ended(playing)
    finally:
        playing.kill()
        playing.communicate()
    np.testing.assert_allclose(found, model.predict_proba(texts[:4]), atol=1e-4)
    assert found.argmax(axis=1).tolist() == [1, 0, 1, 0]


def test_a_model_of_images_is_no_model_of_texts(tmp_path, capsys, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    file = tmp_path / "model.rebox"
    rebox.Reprogrammer(recipe="local", random_state=0).fit(images, [0, 1] * 6).save(file)
    monkeypatch.setattr(sys, "argv", ["rebox", "rehearse", "chat", "--model", str(file)])
    with pytest.raises(SystemExit):
        main()
    assert "is a model of images; expected one of texts" in capsys.readouterr().err


@pytest.mark.slow
def test_real_answers_of_real_services_are_played(tmp_path):
    """WAIMAI's texts, and what Baidu said of each: its own accuracy comes back by letters."""
    file, texts = DATA / "answers" / "waimai.npz", DATA / "answers" / "waimai_texts.csv"
    if not file.is_file() or not texts.is_file():
        pytest.skip(f"no answers in {DATA}: set REBOX_DATA")
    with texts.open(encoding="utf-8-sig", newline="") as opened:
        said = [row["review"] for row in csv.DictReader(opened)]
    table = tmp_path / "texts.csv"
    with np.load(file) as arrays:
        ids = arrays["ids"].tolist()
    with table.open("w", newline="", encoding="utf-8") as opened:
        rows = csv.writer(opened)
        rows.writerow(("id", "text"))
        by_id = {f"WAIMAI_{number}.txt": text for number, text in enumerate(said, start=1)}
        rows.writerows((name, by_id[name]) for name in ids[:200] if by_id.get(name, "").strip())
    direct = open_box(f"recorded:{file}?service=Baidu&labels=negative,positive")
    box = TextsOnRecord(direct, table)
    known = [name for name in ids[:200] if by_id.get(name, "").strip()]
    asked = array([by_id[name] for name in known])
    expected = box.ask(asked)
    with Rehearsal("chat", box, limits=PRICES) as running:
        found = by_letters(running, asked)
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    assert len(set(found.argmax(axis=1))) == 2
