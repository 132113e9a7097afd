"""How raw outputs become scores, and what errors of libraries become."""

import numpy as np
import pytest

from rebox.box.outputs import model_scores, one_line, read_kind


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("\x1b[1;31mred\x1b[m\n  and more", "red and more"),
        (
            "[ONNXRuntimeError] : 1 : FAIL : Load model from /a b/c.onnx failed:/src/core/x.h:46 "
            "void a::b::Check(const std::map<int, f(int)>&, bool) const The reason.",
            "The reason.",
        ),
        ("shapes (2x5 and 3x4)\nException raised from f at /a/b.cpp:3\nframe #0: c::d", None),
        ("a reason " + "x" * 900, "a reason xx"),
        (
            "Exception from src/inference/src/cpp/core.cpp:132: Check 'false' failed at "
            "src/frontends/common/src/frontend.cpp:47: Loading input model. The reason.",
            "Loading input model. The reason.",
        ),
        ("y" * 900 + " a reason", "yy a reason"),
    ],
)
def test_a_reason_is_one_line(said, told):
    line = one_line(RuntimeError(said))
    assert len(line) <= 300
    if len(said) < 300:
        assert line == (told or "shapes (2x5 and 3x4)")
    else:
        assert "a reason" in line
        assert " ... " in line


@pytest.mark.parametrize(
    ("dtype", "beyond"), [("float16", 0.001), ("float32", 5e-6), ("float64", 1e-9)]
)
def test_rounding_is_that_of_the_numbers(dtype, beyond):
    raw = np.array([[-beyond, 1 + beyond], [0.25, 0.75]], dtype)
    assert read_kind(raw, "auto") == "probabilities"
    np.testing.assert_array_equal(
        model_scores(raw, "probabilities"), np.float32([[0, 1], [0.25, 0.75]])
    )
    assert read_kind(raw * [[1, 1], [-1, 1]], "auto") == "logits"
