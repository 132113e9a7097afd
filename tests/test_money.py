"""One rule for dollars."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebox.money import dollars, duration, nano_usd, per_hour, per_thousand


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


@pytest.mark.parametrize(
    ("usd", "spelled"),
    [(1.375, "$1.375"), (0.6, "$0.60"), (360.0, "$360.00"), (0.0005, "$0.00050"), (2.75, "$2.75")],
)
def test_an_hour(usd, spelled):
    assert per_hour(usd) == f"{spelled} an hour"


@pytest.mark.parametrize(
    ("hours", "spelled"),
    [
        (0.0, "0 s"),
        (2.4 / 3600, "2.4 s"),
        (0.0166, "60 s"),
        (0.28, "17 minutes"),
        (1.0, "1.0 hours"),
        (1234.0, "1,234.0 hours"),
    ],
)
def test_a_time_that_is_paid_for(hours, spelled):
    assert duration(hours) == spelled


@pytest.mark.parametrize(("usd", "nano"), [(0.3, 300_000_000), (0.0, 0), (1e-12, 1)])
def test_dollars_are_counted_in_whole_units(usd, nano):
    assert nano_usd(usd) == nano


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
