"""Answers as bytes: exact for a few classes, within 2⁻¹³ for many, and refused where damaged."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox.box import FunctionBox
from rebox.box.reservation import Settlement
from rebox.meter import Budget, Journal, JournalAccount, Meter, Payee, accounts
from rebox.meter.packing import EXACT_UP_TO, packed, rounded, unpacked

SCORE = st.floats(0, 1, width=32)
TINY = np.finfo(np.float32).smallest_normal
IMAGES_IN_ISSUE, MEGABYTES_IN_ISSUE = 25_000, 60


def bits(row):
    return np.asarray(row, dtype=np.float32).view(np.uint32)


def softmax(rng, n, classes):
    logits = rng.normal(0, 2.2, (n, classes))  # exponents as spread as those of SqueezeNet
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=200, deadline=None)
@given(row=st.lists(SCORE, min_size=1, max_size=EXACT_UP_TO))
def test_a_few_classes_come_back_bit_by_bit(row):
    row = np.array(row, dtype=np.float32)
    np.testing.assert_array_equal(bits(unpacked(packed(row))), bits(row + 0))  # -0.0 is 0.0


@settings(max_examples=60, deadline=None)
@given(
    row=st.lists(SCORE, min_size=1, max_size=40),
    classes=st.integers(EXACT_UP_TO + 1, EXACT_UP_TO + 1100),
)
def test_many_classes_come_back_as_they_were_rounded(row, classes):
    row = np.resize(np.array(row, dtype=np.float32), classes)
    once = rounded(row)
    np.testing.assert_array_equal(bits(rounded(once)), bits(once))
    np.testing.assert_array_equal(bits(unpacked(packed(row))), bits(once + 0))
    np.testing.assert_array_equal(bits(unpacked(packed(once))), bits(once + 0))
    normal = row >= TINY
    error = np.abs(once[normal].astype(float) - row[normal]) / row[normal]
    assert (error <= 2.0**-12).all()
    assert (np.abs(once[~normal].astype(float) - row[~normal]) <= TINY * 2.0**-12).all()


@pytest.mark.parametrize("classes", [1, 2, 3, 7, 8, 9, 255, 256, 257, 999, 1000, 1001])
def test_odd_sizes_and_odd_scores(classes):
    odd = np.array([0, 1, 1e-45, 1e-39, TINY, 0.5, 1 / 3, 1 - 2**-24, 65504, 3e38], np.float32)
    row = np.resize(odd, classes)
    again = unpacked(packed(row))
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, rounded(row))
    for exact in (0.0, 1.0, 0.5):
        np.testing.assert_array_equal(again[row == exact], exact)


def test_scores_above_zero_keep_their_order():
    row = np.sort(softmax(np.random.default_rng(0), 1, 1000)[0])
    assert (np.diff(unpacked(packed(row))) >= 0).all()


def test_a_row_that_is_a_view_is_packed_as_it_looks():
    scores = softmax(np.random.default_rng(1), 6, 20)
    np.testing.assert_array_equal(unpacked(packed(scores[::2, ::-2][1])), scores[2, ::-2])


def test_a_batch_is_rounded_as_its_rows_are():
    scores = softmax(np.random.default_rng(2), 3, 300)
    np.testing.assert_array_equal(rounded(scores), np.stack([rounded(row) for row in scores]))


# --- damaged bytes --------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=80))
def test_garbage_is_no_answer(content):
    with pytest.raises(ValueError, match="unpacked"):
        unpacked(content)


@pytest.mark.parametrize("classes", [5, 300])
def test_a_cut_or_longer_answer_is_refused(classes):
    content = packed(softmax(np.random.default_rng(3), 1, classes)[0])
    for end in range(0, len(content), max(1, len(content) // 97)):
        with pytest.raises(ValueError, match="unpacked"):
            unpacked(content[:end])
    for longer in (content + b"\0", b"\0" + content):
        with pytest.raises(ValueError, match="unpacked"):
            unpacked(longer)


def head(classes, kept):
    return struct.pack("<IB", classes, kept)


LIES = {
    "more classes than there are": head(2**32 - 1, 23) + zlib.compress(b"\0" * 4),
    "more bits than a fraction has": head(4, 24) + bytes(12) + zlib.compress(b"abcd"),
    "fewer bits than are kept": head(4, 8) + bytes(4) + zlib.compress(b"abcd"),
    "one exponent for all": head(4, 23) + bytes(12) + zlib.compress(b"a"),
    "no classes": head(0, 23) + zlib.compress(b""),
}


@pytest.mark.parametrize("name", LIES)
def test_a_head_that_lies_is_refused(name):
    with pytest.raises(ValueError, match="unpacked"):
        unpacked(LIES[name])


# --- in a journal ---------------------------------------------------------------------------------


def thousand(images):
    rng = np.random.default_rng(int(images.sum()))
    return softmax(rng, len(images), 1000)


def test_an_answer_is_the_same_paid_for_or_remembered(tmp_path):
    images = np.random.default_rng(4).random((5, 2, 2, 3), dtype=np.float32)
    box = FunctionBox(thousand, size=2, classes=1000)
    answers = []
    for _ in range(2):
        with Journal(tmp_path / "journal.sqlite") as journal:
            meter = metered(journal)
            answers.append(meter.asker(box, "map").ask(images))
    assert box.answered == 5
    assert meter.spent.saved == 5
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], rounded(thousand(images)))
    assert (answers[0] != thousand(images)).any()  # or nothing was rounded


def metered(journal):
    account = JournalAccount(
        journal,
        name="size",
        training=Budget(),
        prediction=Budget(),
    )
    return Meter(account=account)


@pytest.mark.slow
def test_25_000_answers_of_1000_classes_take_less_than_60_mb(tmp_path):
    """As many sends of one image each as 2,000: the file grows in proportion."""
    n = 2000
    rows = softmax(np.random.default_rng(5), n, 1000)
    with Journal(tmp_path / "journal.sqlite") as journal:
        account = metered(journal).account
        journal._store.open().execute(
            "PRAGMA synchronous=OFF"
        )  # for speed: it changes no byte of it
        images = np.random.default_rng(6).random((n, 2, 2, 3), dtype=np.float32)
        for image, row in zip(images, rows, strict=True):
            _, reserve = account.recall(image[None], "map", Payee("thousand"))
            reserve([0]).settle(Settlement(answers={0: row}, billed=1))
        assert accounts(journal)[0].answered == n
        journal._store.open().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        each = journal.path.stat().st_size / n
    print(f"{each:.0f} bytes for an answer, {each * IMAGES_IN_ISSUE / 1e6:.1f} MB for 25,000")  # noqa: T201 - the figure
    assert each * IMAGES_IN_ISSUE < MEGABYTES_IN_ISSUE * 1e6
