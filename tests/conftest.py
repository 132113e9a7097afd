"""Fixtures that several test files share."""

import importlib
import sys

import pytest


@pytest.fixture(scope="session")
def torchvision():
    """torchvision, whichever build is installed.

    A CUDA build beside a CPU torch cannot load its compiled operators and fails to import. No
    classifier uses them: declared, they let the library's own model code run.
    """
    torch = pytest.importorskip("torch")
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for name in [n for n in sys.modules if n.partition(".")[0] in ("torchvision", "timm")]:
            del sys.modules[name]
        torchvision = importlib.import_module("torchvision")
        torchvision.declared_operators = library  # undeclared again when the object goes
    except ImportError:
        pytest.skip("torchvision is not installed")
    return torchvision
