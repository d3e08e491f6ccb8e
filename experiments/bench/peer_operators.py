"""Operators of peers.py, their inputs and their gate: the fused ones and what Python users have in
their place.
"""
from dataclasses import dataclass
from functools import partial
from typing import Callable

import torch

M, L, HID, EPS = 16, 8, 64, 1e-6


def features(x, w, b, w1, b1, w2, b2):
    """Listing 1 as a user writes it, for the compiler to fuse: [B, H, N, d] -> [B, H, N, m L]."""
    u = torch.nn.functional.linear(x, w, b).unsqueeze(-1)  # [B, H, N, m, 1]
    hidden = torch.relu(torch.nn.functional.linear(u, w1.unsqueeze(-1), b1))
    psi = torch.relu(torch.nn.functional.linear(hidden, w2, b2))
    return psi.flatten(-2) / w.shape[0] ** 0.5


def normalized(phi_q, phi_k, v, causal=False):
    if causal:
        score = (phi_q @ phi_k.transpose(-1, -2)).tril()
        return score @ v / (score.sum(-1, keepdim=True) + EPS)
    state, total = phi_k.transpose(-1, -2) @ v, phi_k.sum(-2).unsqueeze(-1)
    return phi_q @ state / (phi_q @ total + EPS)


def listing1(q, k, v, *params, causal=False):
    return normalized(features(q, *params), features(k, *params), v, causal)


def elu_features(x):
    return torch.nn.functional.elu(x) + 1


def flash_linear_attention(q, k, v):
    """Causal, elu + 1, normalised by the library's own kernels; its tensors are [B, N, H, d]."""
    from fla.ops.linear_attn import chunk_linear_attn

    q, k, v = (x.transpose(1, 2) for x in (elu_features(q), elu_features(k), v))
    return chunk_linear_attn(q, k, v, scale=1.0, normalize=True)[0].transpose(1, 2)


@dataclass
class Operator:
    name: str
    label: str
    map: str
    kind: str
    causal: bool
    apply: Callable
    reference: Callable
    learned: bool = True
    model: str = ""  # whose work in `luna bench --model` is this one's, where not its own


def operators():
    luna, fixed = torch.ops.luna.luna_attention, torch.ops.luna.fixed_attention
    by_elu = lambda causal: lambda q, k, v: normalized(elu_features(q), elu_features(k), v, causal)
    compiled = torch.compile(listing1, dynamic=False, fullgraph=True)
    for causal in (False, True):
        yield Operator("luna", "LUNA, fused (this library)", "luna", "fused", causal,
                       partial(luna, causal=causal), partial(listing1, causal=causal))
        yield Operator("elu", "elu+1, fused (this library)", "elu", "fused", causal,
                       partial(fixed, feature_map="elu", params=[], causal=causal),
                       by_elu(causal), learned=False)
    yield Operator("listing1", "LUNA, eager Python, Listing 1", "luna", "eager", False, listing1,
                   listing1)
    yield Operator("compiled_listing1", "LUNA, torch.compile of Listing 1", "luna", "compiled",
                   False, compiled, listing1, model="listing1")
    yield Operator("fla_elu", "elu+1, flash-linear-attention", "elu", "fla", True,
                   flash_linear_attention, by_elu(True), learned=False, model="elu")


def draw_tokens(size, seed, dtype=torch.float32, device="cpu"):
    """On a CPU the numbers of draw_tokens() of experiments/bench/operators.cpp."""
    generator = torch.Generator(device).manual_seed(seed)
    return [torch.randn(size, generator=generator, device=device).to(dtype) for _ in range(3)]


def draw_params(d, seed):
    """The numbers of luna_params() there."""
    generator = torch.Generator().manual_seed(seed)
    uniform = lambda shape, r: torch.empty(shape).uniform_(-r, r, generator=generator)
    w = torch.randn(M, d, generator=generator) / d**0.5
    return [w, torch.zeros(M), uniform((HID,), 1), uniform((HID,), 1),
            uniform((L, HID), HID**-0.5), uniform((L,), HID**-0.5)]


def leaves_of(operator, tokens, seed):
    """q, k, v and the map's parameters in their dtype and on their device, wanting gradients."""
    params = draw_params(tokens[0].shape[-1], seed + 1) if operator.learned else []
    return [tensor.to(tokens[0]).detach().requires_grad_() for tensor in [*tokens, *params]]


def results(function, leaves, upstream):
    out = function(*leaves)
    return [x.double() for x in [out.detach(), *torch.autograd.grad(out, leaves, upstream)]]


def gate(operator, d, device="cpu"):
    """Output and every gradient in float32 against float64, bounded as in experiments/bench/gate.h;
    flash-linear-attention, which multiplies in TF32, by two roundings of bfloat16."""
    size = (1, 2, 512, d)
    upstream = torch.randn(size, generator=torch.Generator().manual_seed(12), dtype=torch.float64)
    run = lambda function, dtype: results(
        function, leaves_of(operator, draw_tokens(size, 11, dtype, device), 11),
        upstream.to(device, dtype))
    floor = 2**-7 if operator.kind == "fla" else 0
    exact = run(operator.reference, torch.float64)
    formula, given = run(operator.reference, torch.float32), run(operator.apply, torch.float32)
    error = lambda x, y: ((x - y).abs().max() / y.abs().max()).item()
    worst = None
    for i, expected in enumerate(exact):
        limit = max(3 * error(formula[i], expected), 3e-6 if i < 4 else 3e-4, floor)
        found = error(given[i], expected)
        if not found <= limit:
            raise SystemExit(f"peers: {operator.name} is wrong at d {d} (error {found:.2g}, "
                             f"accepted {limit:.2g}); nothing was timed")
        if worst is None or found / limit > worst["max_error"] / worst["limit"]:
            worst = {"operator": operator.name, "d": d, "causal": operator.causal,
                     "max_error": found, "limit": limit}
    return worst
