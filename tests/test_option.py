"""Options are read from the signature of what they make."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebox.errors import InvalidOption
from rebox.option import Size, meant, options_of, read_name, read_options, split_options


@dataclass(frozen=True, kw_only=True)
class Pace:
    in_flight: int = 4
    per_second: float | None = None

    def __post_init__(self):
        if self.in_flight < 1:
            raise InvalidOption("in_flight must be at least 1.")


SLOW = Pace(in_flight=1)


def made(
    target,
    given: object = None,
    *,
    flag: bool = False,
    count: int | None = None,
    step: float = 0.5,
    text: str = "",
    file: Path | None = None,
    kind: Literal["a", "b"] = "a",
    mean: tuple[float, ...] | None = None,
    names: tuple[str, ...] | None = None,
    size: Size | None = None,
    header: Mapping[str, str],
    pace: Pace,
    slow: Pace = SLOW,
):
    return None


def read(text, maker=made):
    (arguments,) = read_options("box 'x'", split_options(text), maker)
    return arguments


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("flag=YES", "flag", True),
        ("flag=0", "flag", False),
        ("count=-3", "count", -3),
        ("step=1e-3", "step", 1e-3),
        ("text=a+b%20c%26d", "text", "a+b c&d"),
        ("file=a%3Fb/c.txt", "file", Path("a?b/c.txt")),
        ("kind=b", "kind", "b"),
        ("mean=1,2.5", "mean", (1.0, 2.5)),
        ("names=cat, dog", "names", ("cat", "dog")),
        ("size=3x4", "size", (3, 4)),
        ("size=224", "size", (224, 224)),
        ("header.Accept=*/*&header.X-A=1", "header", {"Accept": "*/*", "X-A": "1"}),
    ],
)
def test_each_type_is_read(text, name, value):
    assert read(text)[name] == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flag=maybe", "flag must be true or false, found 'maybe'"),
        ("count=1.5", "count must be a whole number, found '1.5'"),
        ("step=nan", "step must be a number, found 'nan'"),
        ("step=inf", "step must be a number, found 'inf'"),
        ("kind=c", "kind must be one of a, b, found 'c'"),
        ("mean=1,,2", "mean must be numbers separated by commas"),
        ("size=0", "size must be a size such as 224 or 224x320"),
        ("size=axb", "found 'axb'"),
        ("in_flight=0", "in_flight must be at least 1"),
        ("wrong=1", "box 'x' has no option 'wrong'; it has flag, count, .*header.NAME, in_flight"),
        ("wrong.X=1", "no option 'wrong.X'"),
        ("given=1", "no option 'given'"),
        ("target=1", "no option 'target'"),
        ("count", "name=value, found 'count'"),
        ("count=", "name=value, found 'count='"),
        ("=1", "name=value, found '=1'"),
        ("count=1&count=2", "count is given twice"),
    ],
)
def test_what_cannot_be_read_is_refused(text, words):
    with pytest.raises(InvalidOption, match=words):
        read(text)


def test_what_is_left_out_keeps_its_default():
    assert read("") == {"header": {}, "pace": Pace()}


def test_the_fields_of_a_dataclass_are_options_and_start_from_the_default():
    assert read("per_second=2")["pace"] == Pace(per_second=2.0)
    assert read("per_second=2")["slow"] == Pace(in_flight=1, per_second=2.0)


def test_an_option_is_the_first_makers_that_knows_it():
    def inner(*, size: int = 1): ...

    def outer(*, size: int = 2, top: int = 3): ...

    assert read_options("x", {"size": "5", "top": "7"}, inner, outer) == [{"size": 5}, {"top": 7}]


def test_an_option_that_is_needed_is_asked_for():
    def needy(*, region: str): ...

    with pytest.raises(InvalidOption, match="box 'x' needs the option region: add region=VALUE"):
        read("", needy)
    assert read("region=eu", needy) == {"region": "eu"}


def test_signatures_as_text_and_those_of_partial_functions_are_read():
    def late(*, count: "int | None" = None): ...

    assert read("count=3", late) == {"count": 3}
    assert options_of(partial(Pace, in_flight=2)) == {"in_flight": int, "per_second": float}


def test_names_with_options():
    makers = {"bar": late_bar}
    assert read_name("bar", makers, "recipe") == ("bar", {})
    assert read_name("bar?q=3", makers, "recipe") == ("bar", {"q": 3})
    with pytest.raises(
        InvalidOption, match=r"unknown recipe 'bare' .*'bar'\?\); choose one of bar"
    ):
        read_name("bare?q=3", makers, "recipe")
    with pytest.raises(InvalidOption, match="recipe 'bar' has no option 'm'; it has none"):
        read_name("bar?m=3", makers, "recipe", but="q")


def late_bar(*, q: int = 1): ...


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_to_the_bit(number):
    assert math.copysign(1, read(f"step={number!r}")["step"]) == math.copysign(1, number)
    assert read(f"step={number!r}")["step"] == number


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_comes_through_percent_encoding(text):
    from urllib.parse import quote

    assert read(f"text={quote(text, safe='')}")["text"] == text


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("--queries", ("--quiet", "--queries-per-prediction"), "--queries-per-prediction"),
        ("--Label", ("--journal", "--label_column"), "--label_column"),
        ("random", ("auto", "random-search"), "random-search"),
        ("--q", ("--quiet", "--queries"), "--quiet' or '--queries"),
        ("--bugdet", ("--budget", "--budget-of-others"), "--budget"),
        ("--", ("--budget",), None),
        ("", ("auto",), None),
    ],
)
def test_a_name_that_is_cut_short_is_recognised(name, known, said):
    assert meant(name, known) == (f" (did you mean '{said}'?)" if said else "")


def test_a_name_in_other_letters_is_the_one_that_is_meant():
    assert meant("Auto", ["autozoom", "auto"]) == " (did you mean 'auto'?)"
    assert meant("aut", ["autozoom", "auto"]) == " (did you mean 'autozoom' or 'auto'?)"
