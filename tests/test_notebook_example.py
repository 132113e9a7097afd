"""The notebook runs from top to bottom and says what is committed in it.

``python tests/test_notebook_example.py`` runs it and writes it with what it says.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_examples import FOLDER, ROOT, likened

NOTEBOOK = FOLDER / "first_look.ipynb"
# in a process of its own: what Jupyter warns of is not ours to mend
RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=120, kernel_name="python3", record_timing=False).execute()
for cell in notebook.cells:
    cell.metadata = {}
notebook.metadata.language_info = {"name": "python"}
nbformat.write(notebook, sys.argv[2])
"""


def executed(out):
    """Run the notebook in a folder of its own, and return it."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN, NOTEBOOK, out],
        cwd=out.parent,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{FOLDER}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def spoken(notebook):
    """Return what each code cell says in text."""
    return [
        "".join(
            "".join(output.get("text", output.get("data", {}).get("text/plain", "")))
            for output in cell["outputs"]
        )
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


@pytest.mark.slow
def test_it_says_what_is_committed(tmp_path):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    said, committed = spoken(executed(tmp_path / "run.ipynb")), spoken(json.loads(text()))
    assert len(said) == len(committed) > 5
    for one, other in zip(said, committed, strict=True):
        assert likened(one, other), one


def test_it_holds_no_path_of_a_machine_and_no_error():
    assert "/home/" not in text()
    assert str(ROOT) not in text()
    kinds = {
        output["output_type"]
        for cell in json.loads(text())["cells"]
        for output in cell.get("outputs", [])
    }
    assert kinds == {"stream", "execute_result"}


def text():
    return NOTEBOOK.read_text()


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        ran = Path(folder) / "run.ipynb"
        executed(ran)
        NOTEBOOK.write_text(ran.read_text())
