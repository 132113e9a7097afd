"""The questions of a fit are the same on another processor: what was paid for is recalled there.

OpenBLAS and NumPy choose their arithmetic by the processor; told another one, they round as they
would there.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

IDENTICAL = Path(__file__).parent.parent / "benchmarks" / "identical.py"
PROCESSORS = {
    "one of today": {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "2"},
    "an old one": {"OPENBLAS_CORETYPE": "Prescott", "OPENBLAS_NUM_THREADS": "1"},
    "one without AVX-512": {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX X86_V4 AVX512_ICL"},
}
RECIPES = (
    "auto",
    "bar?q=3",
    "bar?q=2&subspace=random-projection-40",
    "cma-es",
    "cma-es?subspace=low-resolution-9",  # a diagonal covariance
    "ilm",
    "map?rule=best",
    "program",
    "program?search=cma&frequencies=3",
    "program?search=lsq&frequencies=2",
    "random-search",
    "spsa-gc",
)


def questions(processor: str) -> dict[str, str]:
    """Return a digest of the questions of each fit, as a process on that processor asks them."""
    run = subprocess.run(
        [sys.executable, IDENTICAL, "--questions", *RECIPES],
        env=os.environ | PROCESSORS[processor],
        capture_output=True,
        text=True,
        check=True,
    )
    digests = (line.split(maxsplit=1) for line in run.stdout.splitlines())
    return {fit: digest for digest, fit in digests}


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    return questions("one of today")


@pytest.mark.slow
@pytest.mark.parametrize(
    "processor", ["an old one", pytest.param("one without AVX-512", marks=pytest.mark.long)]
)
def test_every_recipe_asks_the_same_on_another_processor(processor, here):
    assert len(here) == 3 * len(RECIPES)
    assert questions(processor) == here
