"""Several wordings are several boxes that share a connection; one question finds out for all."""

import json

import numpy as np
import pytest
from stub_transport import Stub, pictures, says
from test_box_chat import CHAT, TEXT, chosen
from test_box_chat_found import Server

from rebox.box import open_box, worded
from rebox.classifier.boxes import listed, open_each, settled
from rebox.errors import InvalidOption
from rebox.meter import Meter
from rebox.sample.texts import as_texts

PROMPT = "Pick one.\n{options}\n{answer}"


@pytest.fixture
def prompts(tmp_path):
    for name, words in {
        "a.txt": PROMPT,
        "b.txt": f"\ufeff{PROMPT}\nThe text is: {{text}}\n",
    }.items():
        (tmp_path / name).write_text(words, encoding="utf-8")
    return tmp_path


def test_one_uri_stands_for_all_pairs_of_words_and_orders():
    uris = worded("chat:m?classes=a,b&prompts=x.txt,y.txt&orders=2&seed=4")
    assert uris == [
        f"chat:m?classes=a,b&seed=4&prompt={name}.txt&order={order}"
        for name in "xy"
        for order in (0, 1)
    ]
    assert listed([uris[0], "chat:n?classes=a,b&orders=1"])[1] == "chat:n?classes=a,b&order=0"
    assert worded("onnx:model.onnx?size=3") == ["onnx:model.onnx?size=3"]


@pytest.mark.parametrize("orders", ["0", "65", "x", "-1"])
def test_orders_that_are_none_are_refused(orders):
    with pytest.raises(InvalidOption, match="orders must be a whole number from 1 to 64"):
        worded(f"chat:m?classes=a,b&orders={orders}")


def test_a_box_alone_has_no_lists():
    with pytest.raises(InvalidOption, match="has no option 'orders'"):
        open_box(f"{CHAT}&orders=2")


def test_other_boxes_have_no_wordings():
    with pytest.raises(InvalidOption, match="no option 'order'"):
        open_each(listed("rehearsal:?orders=2"))


def said(box, text="a purr"):
    box.transport = Stub(says(chosen("A")))
    with box:
        box.ask(as_texts([text]))
    return json.loads(box.transport.requests[0].content)["messages"][0]["content"]


def test_a_prompt_of_ones_own_is_asked(prompts):
    options = "A. cat\nB. dog\nC. newt"
    line = "Answer with the letter alone."
    a, b = (open_box(f"{TEXT}&prompt={prompts / name}.txt") for name in "ab")
    assert said(a) == f"Pick one.\n{options}\n{line}\n\na purr"
    assert said(b) == f"Pick one.\n{options}\n{line}\nThe text is: a purr"
    assert len({a.spec.identity, b.spec.identity, open_box(TEXT).spec.identity}) == 3
    text = "{options} {answer} {text}"  # what a text says changes nothing else
    assert said(b, text).endswith(f"The text is: {text}")


@pytest.mark.parametrize("words", ["no place", "{options} {options}", ""])
def test_a_prompt_says_once_where_the_options_go(tmp_path, words):
    (tmp_path / "p.txt").write_text(words)
    with pytest.raises(InvalidOption, match="where the options go"):
        open_box(f"{CHAT}&prompt={tmp_path / 'p.txt'}")


def test_a_prompt_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "p.txt").write_bytes(b"\xff\xfe\xfa")
    for path in ("p.txt", "gone.txt", "."):
        with pytest.raises(InvalidOption, match="cannot be read"):
            open_box(f"{CHAT}&prompt={tmp_path / path}")


def test_a_place_for_a_text_is_refused_for_pictures(prompts):
    with pytest.raises(InvalidOption, match="samples are pictures"):
        open_box(f"{CHAT}&takes=images&prompt={prompts / 'b.txt'}")


def test_every_order_has_every_class_once():
    for order in range(6):
        wording = open_box(f"{TEXT}&order={order}").chat.wording
        assert sorted(wording.places) == [0, 1, 2]
    firsts = {open_box(f"{TEXT}&order={k}").chat.wording.listed[0] for k in range(6)}
    assert firsts == {"cat", "dog", "newt"}


def test_wordings_share_a_connection_and_what_was_found():
    server = Server("refused", ["seed"])
    boxes = open_each(listed(f"{CHAT}&orders=3&back_off_s=0.001"))
    for box in boxes:
        box.transport = server
    meter = Meter(boxes)
    known = settled(boxes, meter)
    assert len(server.bodies) == 1
    assert ["&read=label" in box.uri for box in known] == [True] * 3
    assert len({box._session() for box in known}) == 1
    server.refused = 0
    rows = [meter.asker(box, "map").ask(pictures(box))[0] for box in known]
    assert server.refused == 0  # what one has learnt the others know
    first = [box.spec.classes[row.argmax()] for box, row in zip(known, rows, strict=True)]
    assert first == [box.chat.wording.listed[0] for box in known]
    assert [spent.probe for spent in meter.spent_by_box] == [1, 0, 0]
    assert np.sum([spent.billed for spent in meter.spent_by_box]) == 4
    assert len({open_box(box.uri).spec.identity for box in known}) == 3


def test_a_prompt_with_a_place_for_a_text_makes_a_box_of_texts(tmp_path):
    prompt = tmp_path / "p.txt"
    prompt.write_text("Is it good?\n{options}\nReview: {text}\nOne letter.")
    uri = f"chat:m?base_url=http://localhost:8/v1&classes=good,bad&prompt={prompt}"
    box = open_box(uri)
    assert box.spec.takes == "texts"
    assert "Review: {text}\nOne letter." in box.prompt
    assert box.taking("texts") is box
    assert box.taking("texts").expecting(as_texts(["a"])).spec.takes == "texts"
    with pytest.raises(InvalidOption, match="samples are pictures"):
        box.taking("images")
    with pytest.raises(InvalidOption, match="samples are pictures"):
        open_box(f"{uri}&takes=images")
