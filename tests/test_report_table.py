"""One list of columns, two renderers."""

from rebox.metric import Interval
from rebox.study.report.table import Column, Entry, figure, held, in_markdown, on_page

ROWS = [
    {"method": "auto", "gain": Interval(-0.02, -0.03, 0.0), "usd": 0},
    {"method": "a|b\nc", "gain": None, "usd": 0},
]
COLUMNS = (
    Column("method", lambda row: Entry(text=row["method"], small="1 seed", mark="!")),
    Column("gain", lambda row: figure("macro_auc", row["gain"], sign=True), number=True),
    Column("cost", lambda row: str(row["usd"]), number=True, when=held("usd")),
    Column("where", lambda _: "here", page=False),
)


def test_markdown_has_an_interval_in_parentheses_and_no_small_print():
    assert in_markdown(COLUMNS, ROWS) == [
        "| method | gain | where |",
        "| --- | --- | --- |",
        "| auto ! | -0.020 (-0.030 to 0.000) | here |",
        "| a/b c ! | \N{EN DASH} | here |",
    ]


def test_the_page_has_true_minus_signs_and_what_it_does_not_say_elsewhere():
    table = on_page("gains", COLUMNS, ROWS)
    assert table.headings == (("method", False), ("gain", True))
    assert table.rows[0] == (
        Entry(text="auto", small="1 seed", mark="!"),
        Entry(text="\N{MINUS SIGN}0.020", small="\N{MINUS SIGN}0.030 to 0.000"),
    )


def test_a_column_is_shown_where_any_row_has_something_in_it():
    paid = [*ROWS, {"method": "bar", "gain": None, "usd": 3}]
    assert on_page("", COLUMNS, paid).headings[-1] == ("cost", True)
