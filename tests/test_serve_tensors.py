"""Tensors of the Open Inference Protocol, as they are packed and read; no server."""

import json

import numpy as np
import pytest

pytest.importorskip("starlette")

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rebox.artefact.form import SampleForm
from rebox.box.wire import NUMBERS, packed
from rebox.serve.content import read_plain
from rebox.serve.declined import Declined
from rebox.serve.inference import read_infer
from rebox.serve.tensors import read_tensors, texts_of

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, max_side=4)
TEXTS = SampleForm(shown="texts", by_id=False)


@given(st.sampled_from(sorted(NUMBERS)), st.data())
def test_numbers_come_back_from_bytes_and_from_json(datatype, data):
    elements = {"allow_nan": False, "allow_infinity": False} if datatype.startswith("FP") else None
    values = data.draw(hnp.arrays(NUMBERS[datatype], SHAPES, elements=elements))
    told = {"name": "x", "datatype": datatype, "shape": list(values.shape)}
    content = packed(values)
    in_bytes = told | {"parameters": {"binary_data_size": len(content)}}
    in_json = told | {"data": json.loads(json.dumps(values.tolist()))}
    for found in read_tensors([in_bytes, in_json], content):
        assert found.values.dtype == NUMBERS[datatype]
        assert found.values.shape == values.shape
        assert (found.values == values).all()


@given(st.lists(st.text(), max_size=5))
def test_texts_come_back_from_bytes_and_from_json(texts):
    values = np.empty(len(texts), dtype=object)
    values[:] = texts
    told = {"name": "x", "datatype": "BYTES", "shape": [len(texts)]}
    content = packed(values)
    in_bytes = told | {"parameters": {"binary_data_size": len(content)}}
    for found in read_tensors([in_bytes, told | {"data": texts}], content):
        unmarked = [one.removeprefix("\ufeff") for one in texts]  # bytes may begin with a mark
        assert [one.removeprefix("\ufeff") for one in texts_of(found)] == unmarked


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": JSON,
        "datatype": st.sampled_from(["BYTES", "FP32", "UINT8", "FP8", 3]),
        "shape": st.lists(st.integers(-2, 3), max_size=3) | JSON,
        "data": JSON,
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 9) | JSON}) | JSON,
    },
)
FORMS = [
    TEXTS,
    SampleForm(shown="pictures", by_id=False),
    SampleForm(shown="rows", by_id=True, width=2, features=("a", "b")),
    SampleForm(shown=None, by_id=True),
]


def outcome(read):
    """Return the status of what is declined, or what was read."""
    try:
        return None, read()
    except Declined as declined:
        return declined.status, None


@given(st.sampled_from(FORMS), st.lists(TENSOR, max_size=2) | JSON, JSON, st.binary(max_size=12))
def test_whatever_is_sent_is_read_or_declined(form, inputs, outputs, rest):
    head = json.dumps({"inputs": inputs, "outputs": outputs}).encode()
    status, asked = outcome(lambda: read_infer(head + rest, str(len(head)), form))
    assert status == 400 or len(asked.parcel) > 0


@given(
    st.sampled_from(FORMS),
    st.binary(max_size=40) | JSON.map(lambda body: json.dumps(body).encode()),
    st.sampled_from(["", "application/json", "image/png", "text/plain", "audio/wav"]),
)
def test_whatever_is_posted_is_read_or_declined(form, content, media_type):
    status, parcel = outcome(lambda: read_plain(content, media_type, form))
    assert status in {400, 415} or len(parcel) == 1


@pytest.mark.parametrize("length", ["-1", "x", "99", "1²"])
def test_a_length_that_is_none(length):
    with pytest.raises(Declined, match="no length"):
        read_infer(b'{"inputs": []}', length, TEXTS)
