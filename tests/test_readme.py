"""The README is part of the product: what it shows is run here."""

import re
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def code(language, marker):
    return next(body for kind, body in BLOCKS if kind == language and marker in body)


EXAMPLES = {"load_mirrored": "without the box", "load_patients": "brings nothing"}


@pytest.mark.parametrize(("marker", "said"), EXAMPLES.items())
def test_the_examples_print_what_the_readme_says(marker, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(code("python", marker), {})  # noqa: S102 - the README's own code
    assert capsys.readouterr().out == code("text", said)


@pytest.mark.parametrize("marker", EXAMPLES)
def test_the_examples_are_twelve_lines_at_most(marker):
    assert len([line for line in code("python", marker).splitlines() if line]) <= 12


def test_the_case_that_works_comes_before_the_one_that_does_not():
    assert README.index("load_mirrored") < README.index("load_patients")


def test_a_folder_of_images_runs(tmp_path, monkeypatch, capsys):
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, level in (("benign", 60), ("malignant", 160)):
        (tmp_path / "lesions" / name).mkdir(parents=True)
        for i in range(20):
            pixels = np.clip(rng.normal(level, 40, (8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "lesions" / name / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    exec(code("python", "rebox.load("), {})  # noqa: S102 - the README's own code
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "map: up to 32 queries"
    assert said[-1].startswith("<Measurement of 8 samples: accuracy 1.000 ")


def test_bring_your_own_box_runs():
    class Service:
        def scores(self, images):
            return [[1 / 1000] * 1000] * len(images)

    names = {"my_service": Service()}
    exec(code("python", "my_service"), names)  # noqa: S102 - the README's own code
    images = [[[0.1, 0.2], [0.3, 0.4]]] * 4
    import numpy as np

    names["model"].fit(np.array(images), [0, 1, 0, 1])
    assert names["model"].spent_.total == 4


def test_ci_runs_the_readmes_test_command():
    command = code("sh", "pytest").strip()
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_ci_runs_the_slow_tests_too_and_so_can_the_reader():
    command = "pytest -q -n auto -m slow"
    assert f"`{command}`" in README
    assert command in (ROOT / ".ci" / "run").read_text()


def test_every_extra_is_in_the_readme():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    listed = re.findall(r"^\| `(\w+)` \|", README[: README.index("## In Python")], re.MULTILINE)
    assert listed == [name for name in extras if name not in ("test", "dev")]


def test_every_file_the_readme_names_is_there():
    for name in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / name).is_file(), name


def test_the_citation_is_of_this_version_and_licence():
    import rebox

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "CITATION.cff").read_text().splitlines()
    assert f"version: {rebox.__version__}" in lines
    assert f"license: {project['license']}" in lines


def test_ci_builds_the_site():
    assert 'step "documentation" documentation' in (ROOT / ".ci" / "run").read_text()
