"""The commands about tasks: what is known by name, and what is in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Column, Table
from rich.text import Text

from rebox.cli.app import app
from rebox.cli.completion import tasks
from rebox.cli.console import out
from rebox.cli.options import (
    GroupColumnOption,
    LabelColumnOption,
    PathColumnOption,
    TextColumnOption,
)
from rebox.option import unknown
from rebox.sample import TASKS, Dataset, ImageFiles, Texts, load, open_task

task_app = typer.Typer(help="Tasks: data sets that are known by name.", no_args_is_help=True)
app.add_typer(task_app, name="task")


@task_app.command(name="list")
def list_tasks() -> None:
    """Say which data sets are known by name, and how to get them."""
    for name, task in TASKS.items():
        out.print(f"{name}: {task.card.title}", highlight=False, markup=False, soft_wrap=True)
        out.print(f"  licence: {task.card.licence}", highlight=False, markup=False, soft_wrap=True)
        out.print(f"  {task.card.get}", highlight=False, markup=False, soft_wrap=True)


@task_app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A task, as 'ham10000?images=first'; or what --data takes.", autocompletion=tasks
        ),
    ],
    data: Annotated[
        str | None, typer.Option("--data", help="The folder that the task's files lie in.")
    ] = None,
    path_column: PathColumnOption = None,
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    group_column: GroupColumnOption = None,
) -> None:
    """Say what a data set holds: images, classes, subjects, licence, checksum.

    Every image file is read for the checksum.
    """
    columns = {
        "path_column": path_column,
        "text_column": text_column,
        "label_column": label_column,
        "group_column": group_column,
    }
    known = name.partition("?")[0] in TASKS and ":" not in name
    if not known and data is None and ":" not in name and not Path(name).exists():
        raise unknown("task", name, TASKS)
    by_name = (known or data is not None) and not any(columns.values())  # of a CSV alone
    dataset = open_task(name, data or ".") if by_name else load(name, **columns)
    table = Table("", Column(dataset.name, overflow="fold"))
    for what, value in _lines(dataset):
        table.add_row(what, Text(value))
    out.print(table)


def _known_by(dataset: Dataset) -> Iterator[tuple[str, str]]:
    images = dataset.images
    if isinstance(images, ImageFiles):
        yield "images", f"{len(dataset):,}, files"
    elif images is not None:
        yield "images", f"{len(dataset):,}, {images.dtype} {images.shape[1:]}"
    if dataset.texts is not None:
        yield "texts", f"{len(dataset):,}, of {_characters(dataset.texts)}"
    if dataset.ids is not None:
        yield "ids", f"{len(dataset):,}, as {dataset.ids[0]}"


def _characters(texts: Texts) -> str:
    """Return how long texts are, in words."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return f"{np.median(lengths):,.0f} characters in the median, {lengths.max():,} at most"


def _lines(dataset: Dataset) -> Iterator[tuple[str, str]]:
    yield from _known_by(dataset)
    classes, counts = np.unique(dataset.labels, return_counts=True)
    for name, count in zip(classes, counts, strict=True):
        yield f"class {name}", f"{count:,}"
    groups = dataset.groups
    known = "not known: every image is its own" if groups is None else f"{len(np.unique(groups)):,}"
    yield "subjects", known
    if dataset.published_test is not None:
        yield "published test", f"{np.count_nonzero(dataset.published_test):,} images"
    if dataset.grades:
        yield "classes are", "grades"
    if dataset.positive is not None:
        yield "sensitivity of", str(dataset.positive)
    if dataset.value_range is not None:
        yield "value range", "{:g} to {:g}".format(*dataset.value_range)
    if dataset.card is not None:
        yield from {
            "title": dataset.card.title,
            "source": dataset.card.source,
            "licence": dataset.card.licence,
            "cite": dataset.card.citation,
        }.items()
    yield "SHA-256", dataset.checksum
