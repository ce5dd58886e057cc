"""The kernel writes its own channels of the joined activations only, and moves 16 bytes at once."""

import pytest
import torch
from triton_device import DEVICE, MARKS, check_compiled

pytest.importorskip("triton")

from wstal.nets.join_kernel import join

pytestmark = MARKS


@pytest.mark.parametrize("first", [0, 1, 2])
def test_other_channels_stay(first):
    x = (torch.arange(5 * 24).float() - 50).view(5, 24).to(DEVICE)
    out = torch.full((6, 40), 7.0, device=DEVICE)
    join[(2,)](x, x, out, 5, 3, first, 5, BIAS=False, BLOCK_P=4, BLOCK_C=32)
    expected = torch.full((6, 40), 7.0, device=DEVICE)
    expected[:5, 8 * first : 8 * first + 24] = x.relu()
    assert torch.equal(out, expected)


COMPILES = """
import triton
from triton.backends.compiler import GPUTarget
from wstal.nets.join_kernel import join

names, values = join.arg_names, {"BIAS": True, "BLOCK_P": 16, "BLOCK_C": 256}
types = {name: "*fp16" for name in ("x", "bias", "out")}
signature = {n: types.get(n, "constexpr" if n in values else "i32") for n in names}
aligned = {(names.index(name),): [["tt.divisibility", 16]] for name in types}
constants = {(names.index(name),): value for name, value in values.items()}
source = triton.compiler.ASTSource(join, signature, constants, aligned)
code = triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["ptx"]
assert "ld.global.v4.b32" in code and "st.global.v4.b32" in code, code
"""


@pytest.mark.skipif(DEVICE == "cuda", reason="the other tests compile it there")
def test_it_compiles_for_a_gpu_to_wide_loads_and_stores(tmp_path):
    check_compiled(COMPILES, tmp_path)
