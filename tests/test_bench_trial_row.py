"""A ledger's row, read once: what is checked, what is missing, what older ledgers call it."""

import ledgers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox.errors import InvalidData
from rebox.study.bench import answers_of, merged, read_row
from rebox.study.bench.trial_row import plain


def test_answers_are_read_as_they_were_packed():
    truth, p = ledgers.answers((3, 4, 5), 1.0, 0)
    read_truth, read, _ = answers_of({"answers": ledgers.packed(truth, p)})
    np.testing.assert_array_equal(read_truth, truth)
    np.testing.assert_allclose(read, p, rtol=1e-5)


@pytest.mark.parametrize(
    "broken",
    [
        {"metrics": {"accuracy": {"value": float("nan"), "low": 0, "high": 1}}},
        {"metrics": [1]},
        {"budget": "many"},
        {"fit_queries": 5},
        {"curve": [{"queries": 1}]},
        {"reading": {"source": ["a"], "weights": [[1, 2]]}},
        {"verdict": "words"},
        {"class_names": 7},
        {"usd": {"fit": "much", "predict": 0.0}},
        {"seconds": {"total": None}},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_a_row_of_wrong_types_is_named(broken):
    with pytest.raises(InvalidData, match=r"the ledger's row 'asd \| .* cannot be read"):
        read_row(ledgers.row() | broken)


def test_damaged_answers_are_an_error():
    trial = read_row(ledgers.row(answers={"counts": [3, 4], "log_probabilities": "AAAA"}))
    with pytest.raises(InvalidData, match="no readable answers"):
        trial.answers  # noqa: B018 - they are read when asked for


@given(st.text())
@settings(deadline=None)
def test_plain_text_holds_no_control_characters(text):
    found = plain(text)
    assert len(found) == len(text)
    assert not any(ord(c) < 32 and c not in "\n\t" for c in found)
    assert "\u202e" not in plain(f"{text}\u202e")


def test_names_are_plain():
    names = ["\u202ea", "b\x00"]
    trial = read_row(ledgers.row("m\x1b[31m", class_names=names, box="\u202ebox"))
    assert (trial.method, trial.box) == ("m\ufffd[31m", "\ufffdbox")
    assert trial.class_names == ("\ufffda", "b\ufffd")


def test_epochs_are_not_queries():
    curve = [{"epoch": 1.0, "loss": 0.6}, {"epoch": 2.0, "loss": 0.5}]
    assert read_row(ledgers.row("finetune", curve=curve)).curve.shape == (0, 2)


def test_a_price_is_known_or_unknown_or_not_spoken_of():
    known = ledgers.row()
    assert read_row(known).usd == pytest.approx(2.084)
    unknown = read_row(known | {"usd": {"fit": None, "predict": None}})
    assert (unknown.usd_fit, unknown.usd_predict, unknown.usd) == (None, None, None)
    del known["usd"]
    assert read_row(known).usd == 0


def test_a_row_is_of_float32_unless_it_says_otherwise():
    def precision(**changes):
        return read_row(ledgers.row("ar", **changes)).precision

    assert precision() == precision(precision=None) == precision(precision="float32") == "float32"
    assert precision(precision="bfloat16") == "bfloat16"
    # rows that were written before they said so have it in the network's identity
    opened = "whitebox:ResNet:0f?preprocess=unit&size=8x8&outputs=logits"
    assert precision(box_identity=opened) == "float32"
    assert precision(box_identity=f"{opened}&precision=bfloat16") == "bfloat16"
    # a black box answers in its own, whatever its file is called
    assert precision(box_identity="onnx:0f?runtime=openvino&precision=bf16") == "float32"


def test_what_was_unavailable_says_why():
    assert read_row(ledgers.missing(why="weights not at hand")).why == "weights not at hand"
    assert read_row(ledgers.row()).why is None


def test_a_trial_in_two_ledgers_counts_once():
    late = ledgers.missing("map", box="resnet50", why="no answer")
    later = late | {"why": "no answer again"}
    done = ledgers.row("map") | {"key": late["key"]}
    assert merged([late, ledgers.row(), done, ledgers.row()]) == [done, ledgers.row()]
    assert merged([done, late]) == [done]
    assert merged([late, later]) == [later]
