"""CUDA graphs of the operators: a forward, a backward and a decoding step, captured once and replayed on other numbers,
give the bits of ordinary calls. What makes that so is tested without a device by cuda_capture_test.cpp.

Usage: graph_capture.py path/to/libluna.so; exit code 77: no CUDA device, nothing was run
"""
import itertools
import sys

import torch

SKIPPED = 77
B, H, N, D, M, L, HID = 2, 4, 96, 64, 16, 8, 64
OFFSETS = torch.tensor([0, 20, 21, 47, 47, N], dtype=torch.int32)  # of like length and alone
MAPS = ("luna", "luna-deep", "luna-spline", "elu", "relu", "performer", "taylor2", "t2r")


def drawn(*shape, dtype=torch.float32):
    return torch.randn(*shape, device="cuda").to(dtype)


def params_of(feature_map):
    if feature_map == "luna":
        return [drawn(M, D) / D**0.5, drawn(M), drawn(HID), drawn(HID), drawn(L, HID) / HID**0.5, drawn(L)]
    return [x.detach().cuda() for x in torch.ops.luna.draw_feature_map(feature_map, M, D)]


def attention(feature_map, params, **options):
    if feature_map == "luna":
        return lambda *tokens: torch.ops.luna.luna_attention(*tokens, *params, **options)
    return lambda *tokens: torch.ops.luna.fixed_attention(*tokens, feature_map, params, **options)


def decoding(feature_map, params):
    if feature_map == "luna":
        return lambda *tensors: torch.ops.luna.luna_decode_step(*tensors, *params)
    return lambda *tensors: torch.ops.luna.fixed_decode_step(*tensors, feature_map, params)


def captured(call):
    """The graph of a call and its outputs, after calls on a side stream that load what it needs."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = call()
    return graph, outputs


def check(call, inputs, name):
    """call() reads `inputs`, or updates them in place, and returns tensors."""
    graph, outputs = captured(call)
    for _ in range(2):
        numbers = [torch.randn_like(x).abs() for x in inputs]
        kept = []
        for run in (graph.replay, call):
            with torch.no_grad():
                for x, number in zip(inputs, numbers):
                    x.copy_(number)
            found = run()
            kept.append([x.detach().clone() for x in [*(outputs if found is None else found), *inputs]])
        for replayed, ordinary in zip(*kept):
            assert torch.equal(replayed, ordinary), name


def check_attention(feature_map, dtype, batch=B, **options):
    params = params_of(feature_map)
    apply = attention(feature_map, params, **options)
    tokens = [drawn(batch, H, N, D, dtype=dtype).requires_grad_() for _ in range(3)]
    leaves = [*tokens, *(x.requires_grad_() for x in params if feature_map in ("luna", "t2r"))]
    upstream = drawn(batch, H, N, D, dtype=dtype)

    def both():
        out = apply(*tokens)
        return [out, *torch.autograd.grad(out, leaves, upstream)]

    check(both, tokens, f"{feature_map}, {dtype}, {options}")


def check_decoding(feature_map, dtype):
    params = params_of(feature_map)
    step = decoding(feature_map, params)
    features = norm_of_prompt(feature_map, params).shape[-1]
    state, norm = drawn(B, H, features, D), drawn(B, H, features)
    tokens = [drawn(B, H, D, dtype=dtype) for _ in range(3)]
    check(lambda: [step(*tokens, state, norm)], [*tokens, state, norm], f"{feature_map}, {dtype}, decoding")


def norm_of_prompt(feature_map, params):
    """norm [B, H, D] of a prompt of one token."""
    token = [drawn(B, H, 1, D) for _ in range(3)]
    if feature_map == "luna":
        return torch.ops.luna.luna_prefill(*token, *params)[2]
    return torch.ops.luna.fixed_prefill(*token, feature_map, params)[2]


def main():
    if not torch.cuda.is_available():
        print("skipped: torch.cuda.is_available() is false")
        sys.exit(SKIPPED)
    torch.ops.load_library(sys.argv[1])
    torch.manual_seed(0)
    for feature_map, dtype in itertools.product(MAPS, (torch.float32, torch.bfloat16, torch.float16)):
        for causal in (False, True):
            check_attention(feature_map, dtype, causal=causal)
            check_attention(feature_map, dtype, batch=1, causal=causal, cu_seqlens=OFFSETS)
        with torch.no_grad():
            check_decoding(feature_map, dtype)
    print(f"captured and replayed with the bits of ordinary calls: {', '.join(MAPS)}, causal and not, packed, decoding")


if __name__ == "__main__":
    main()
