"""Bytes that an optimised program moves: by hand for a made-up one, beside XLA's own count for real ones."""

import jax
import jax.numpy as jnp
import pytest

from ugosa_jax.bench import traffic

PROGRAM = """HloModule made_up, is_scheduled=true

%taken (param_0: f32[6,8,128], param_1: s32[]) -> f32[8,128] {
  %param_0 = f32[6,8,128]{2,1,0:T(8,128)} parameter(0)
  %param_1 = s32[]{:T(128)} parameter(1)
  %zero = s32[]{:T(128)} constant(0)
  %slice = f32[1,8,128]{2,1,0:T(8,128)} dynamic-slice(%param_0, %param_1, %zero, %zero), dynamic_slice_sizes={1,8,128}
  ROOT %whole = f32[8,128]{1,0:T(8,128)S(1)} bitcast(%slice)
}

%put (param_0: f32[6,8,128], param_1: f32[1,8,128], param_2: s32[]) -> f32[6,8,128] {
  %param_0 = f32[6,8,128]{2,1,0:T(8,128)} parameter(0)
  %param_1 = f32[1,8,128]{2,1,0:T(8,128)S(1)} parameter(1)
  %param_2 = s32[]{:T(128)} parameter(2)
  ROOT %update = f32[6,8,128]{2,1,0:T(8,128)} dynamic-update-slice(%param_0, %param_1, %param_2, %param_2, %param_2)
}

%body (state: (s32[], f32[6,8,128])) -> (s32[], f32[6,8,128]) {
  %state = (s32[]{:T(128)}, f32[6,8,128]{2,1,0:T(8,128)}) parameter(0)
  %i = s32[]{:T(128)S(1)} get-tuple-element(%state), index=0
  %all = f32[6,8,128]{2,1,0:T(8,128)} get-tuple-element(%state), index=1
  %one = f32[8,128]{1,0:T(8,128)S(1)} fusion(%all, %i), kind=kLoop, calls=%taken
  %half = bf16[8,128]{1,0:T(8,128)(2,1)} convert(%one)
  %start = (f32[8,128]{1,0:T(8,128)}, f32[8,128]{1,0:T(8,128)S(1)}, u32[]{:S(2)}) copy-start(%one)
  %done = f32[8,128]{1,0:T(8,128)} copy-done(%start)
  %row = f32[1,8,128]{2,1,0:T(8,128)S(1)} bitcast(%one)
  %new = f32[6,8,128]{2,1,0:T(8,128)} fusion(%all, %row, %i), kind=kLoop, calls=%put
  ROOT %next = (s32[]{:T(128)}, f32[6,8,128]{2,1,0:T(8,128)}) tuple(%i, %new)
}

%going (state: (s32[], f32[6,8,128])) -> pred[] {
  %state = (s32[]{:T(128)}, f32[6,8,128]{2,1,0:T(8,128)}) parameter(0)
  ROOT %yes = pred[]{:T(512)} constant(true)
}

ENTRY %main (x: f32[6,8,128]) -> f32[6,8,128] {
  %x = f32[6,8,128]{2,1,0:T(8,128)} parameter(0)
  %i = s32[]{:T(128)} constant(0)
  %state = (s32[]{:T(128)}, f32[6,8,128]{2,1,0:T(8,128)}) tuple(%i, %x)
  %loop = (s32[]{:T(128)}, f32[6,8,128]{2,1,0:T(8,128)}) while(%state), condition=%going, body=%body
  %y = f32[6,8,128]{2,1,0:T(8,128)} get-tuple-element(%loop), index=1
  ROOT %negated = f32[6,8,128]{2,1,0:T(8,128)} negate(%y)
}
"""
SLICE = 8 * 128 * 4


def test_a_loop_counts_once_slices_as_slices_and_what_is_on_the_chip_not_at_all():
    taken, converted, copied, updated, negated = SLICE, SLICE // 2, SLICE, SLICE, 2 * 6 * SLICE
    assert traffic.bytes_moved(PROGRAM) == taken + converted + copied + updated + negated


@pytest.mark.parametrize(
    "function", [lambda x, y: jnp.tanh(x) + y, lambda x, y: x @ y, lambda x, y: (x * y).sum(0) + x[3]]
)
def test_where_nothing_is_on_a_chip_it_is_what_xla_counts(function):
    compiled = jax.jit(function).lower(*(jnp.zeros((256, 256)),) * 2).compile()
    moved = traffic.bytes_moved(str(compiled.as_text()))
    assert moved == pytest.approx(compiled.cost_analysis()["bytes accessed"], rel=0.01)  # pyright: ignore[reportOptionalSubscript]


@pytest.mark.parametrize(
    ("shape", "n_bytes"), [("f32[]", 4), ("(bf16[3,5], pred[7])", 37), ("s4[3]", 2), ("u8[2]{0:T(8,128)(4,1)S(1)}", 2)]
)
def test_bytes_of_shapes(shape, n_bytes):
    assert sum(array.n_bytes for array in traffic.arrays(shape)) == n_bytes
