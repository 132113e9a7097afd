"""One rule for dollars."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebox.money import dollars, per_thousand


@pytest.mark.parametrize(
    ("usd", "spelled"),
    [
        (0.0, "$0.00"),
        (0.0012, "$0.0012"),
        (0.01, "$0.0100"),
        (0.1, "$0.10"),
        (1.2, "$1.20"),
        (1234.5, "$1,234.50"),
        (0.000012, "$0.000012"),
        (None, "price not known"),
    ],
)
def test_dollars(usd, spelled):
    assert dollars(usd) == spelled


def test_a_price_is_told_for_a_thousand():
    assert per_thousand(0.0012) == "$1.20 per 1,000"
    assert per_thousand(0.000002) == "$0.0020 per 1,000"


def test_a_sum_is_told_to_as_many_places_as_are_asked_for():
    assert dollars(12.3400001, places=7) == "$12.3400001"


@given(usd=st.floats(1e-9, 1e9))
def test_what_is_told_is_near_what_it_is_and_never_nothing(usd):
    told = float(re.sub(r"[$,]", "", dollars(usd)))
    assert told == pytest.approx(usd, rel=0.06)
    assert told > 0
