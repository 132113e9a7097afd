"""How raw outputs become scores, and what errors of libraries become."""

import pytest

from rebox.box.outputs import one_line


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
