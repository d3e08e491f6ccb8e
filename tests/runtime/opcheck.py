"""The operators from Python: torch.library.opcheck of the public and internal ones, their error bounds, and the
refusal of second derivatives. On CUDA: the error bounds at the head sizes that are built, decoding and packed
sequences.

Usage: opcheck.py path/to/libluna.so [--device cpu|cuda]; exit code 77: no CUDA device, nothing was run
"""
import argparse
import functools
import sys

import torch
from torch.library import opcheck
from torch.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts

SKIPPED = 77
parser = argparse.ArgumentParser()
parser.add_argument("library")
parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
arguments = parser.parse_args()
torch.ops.load_library(arguments.library)
luna = torch.ops.luna
B, H, HK, NQ, N, D, DV, M, L, HID = 2, 4, 2, 5, 9, 8, 6, 3, 4, 7


def leaf(*shape):
    return torch.randn(*shape).requires_grad_()


def qkv(d=D, dv=DV):
    return leaf(B, NQ, H, d).detach().transpose(1, 2).requires_grad_(), leaf(B, HK, N, d), leaf(B, HK, N, dv)


def params(separate, d=D):
    units = (L, HID) if separate else (HID,)
    return [leaf(M, d), leaf(M), leaf(*units), leaf(*units), leaf(L, HID), leaf(L)]


def check_public():
    mask = torch.rand(B, N) < 0.7
    for separate in (False, True):
        for options in (
            {},
            {"activation": "gelu", "key_mask": mask},
            {"envelope": "exp", "nonneg": False, "eps": 1.0},
            {"ch_rms_target": 0.1, "key_mask": mask, "feature_eps": 0.01},
        ):
            opcheck(luna.luna_attention, (*qkv(), *params(separate)), options)
    for feature_map in ("elu", "relu", "performer"):
        w = [luna.performer_projection(16, D)] if feature_map == "performer" else []
        opcheck(luna.fixed_attention, (*qkv(), feature_map, w), {"key_mask": mask})
    weights = [x.requires_grad_() for x in luna.draw_feature_map("luna-deep", M, D)]
    opcheck(luna.fixed_attention, (*qkv(), "luna-deep", weights), {"key_mask": mask})


def check_packed():
    offsets = torch.tensor([0, 4, 4, N], dtype=torch.int32)
    mask = torch.rand(1, N) < 0.7
    q, k, v = leaf(1, H, N, D), leaf(1, HK, N, D), leaf(1, HK, N, DV)
    for causal in (False, True):
        options = {"causal": causal, "key_mask": mask, "cu_seqlens": offsets}
        opcheck(luna.luna_attention, (q, k, v, *params(False)), options)
        opcheck(luna.fixed_attention, (q, k, v, "polaformer", luna.draw_feature_map("polaformer", 16, D)), options)


def check_decoding():
    mask = torch.rand(B, N) < 0.7
    q, k, v = leaf(B, H, N, D), leaf(B, HK, N, D), leaf(B, HK, N, DV)
    opcheck(luna.luna_prefill, (q, k, v, *params(False)), {"key_mask": mask, "envelope": "exp"})
    opcheck(luna.fixed_prefill, (q, k, v, "elu", []), {"key_mask": mask})
    token = [x.detach()[:, :, 0] for x in (q, k, v)]
    weights = [x.detach() for x in params(True)]
    opcheck(luna.luna_decode_step, (*token, torch.rand(B, HK, M * L, DV), torch.rand(B, HK, M * L), *weights))
    for feature_map, features in (("elu", D), ("polaformer", 2 * D), ("cosformer:64", 2 * D)):
        state = (torch.rand(B, HK, features, DV), torch.rand(B, HK, features))
        drawn = luna.draw_feature_map(feature_map, 16, D)
        opcheck(luna.fixed_decode_step, (*token, *state, feature_map, drawn), {"positions": torch.tensor([3, 60])})


def check_internal():
    options = ("luna", "relu", True, "norm", 0.1, "auto", "add_eps", 1e-6, 0.01, False)
    mask = torch.rand(B, N) < 0.7
    forward = (*qkv(), params(False), mask, None, *options, torch.float32)
    opcheck(luna._attention_forward, forward)
    with torch.no_grad():
        saved = luna._attention_forward(*forward)
    for wanted in ([True] * 9, [True, False, True] + [False] * 6):
        tensors = [x.detach() for x in forward[:3]]
        weights = [x.detach() for x in forward[3]]
        opcheck(luna._attention_backward,
                (torch.randn(saved[0].shape), *tensors, weights, *saved, mask, None, *options, wanted))


def check_kept_sums():
    """A training forward saves a tensor more where psi is trained; a forward that is not run again gives the same."""
    tokens = 1000
    q, k, v = (leaf(B, H, tokens, D) for _ in range(3))
    weights = params(False)
    saved = []

    def pack(x):
        saved.append(x)
        return x

    def train(attention=luna.luna_attention):
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            out = attention(q, k, v, *weights)
        return torch.autograd.grad(out.square().sum(), [x for x in (q, *weights) if x.requires_grad])

    def checkpointed(*tensors):
        contexts = functools.partial(create_selective_checkpoint_contexts, [luna._attention_forward.default])
        return checkpoint(luna.luna_attention, *tensors, use_reentrant=False, context_fn=contexts)

    trained = train()
    count = len(saved)
    for given, expected in zip(torch.autograd.grad(checkpointed(q, k, v, *weights).square().sum(), (q, *weights)), trained):
        torch.testing.assert_close(given, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())
    for x in weights:
        x.requires_grad_(False)
    saved.clear()
    train()
    assert len(saved) == count - 1, (len(saved), count)


def check_saved_tensors():
    """Hooks may give back what was saved with other strides."""
    q, k, v = (leaf(B, H, 600, D) for _ in range(3))
    for causal in (False, True):
        weights = params(False)

        def train(unpack):
            with torch.autograd.graph.saved_tensors_hooks(lambda x: x, unpack):
                out = luna.luna_attention(q, k, v, *weights, causal=causal)
            return torch.autograd.grad(out.square().sum(), (q, k, v, *weights))

        plain, strided = train(lambda x: x), train(lambda x: torch.stack((x, x), -1)[..., 0])
        for given, expected in zip(strided, plain):
            torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def check_lazy_clones():
    """Memory that is copied on write is read as it is."""
    tensors = [torch.randn(B, H, 600, D) for _ in range(4)]
    weights = params(False)

    def train(q, k, v, grad):
        leaves = [x.requires_grad_() for x in (q, k, v)]
        return torch.autograd.grad(luna.luna_attention(*leaves, *weights), (*leaves, *weights), grad)

    plain = train(*(x.clone() for x in tensors))
    for given, expected in zip(train(*(torch._lazy_clone(x) for x in tensors)), plain):
        assert torch.equal(given, expected)


def gradients(operator, tensors, grad, dtype, device="cpu"):
    leaves = [x.detach().to(device, dtype).requires_grad_() for x in tensors]
    out = operator(*leaves)
    return [x.detach().cpu() for x in (out, *torch.autograd.grad(out, leaves, grad.to(device, dtype)))]


def check_bounds(fused, reference, tensors):
    """error <= max(3 x eager float32's, floor) against float64, as in tests/support/compare.h."""
    grad = torch.randn(B, H, NQ, tensors[2].shape[-1])
    exact = gradients(reference, tensors, grad, torch.float64)
    eager = gradients(reference, tensors, grad, torch.float32)
    results = gradients(fused, tensors, grad, torch.float32, arguments.device)
    for i, (given, plain, truth) in enumerate(zip(results, eager, exact)):
        error, allowed = ((x - truth).norm() / truth.norm() for x in (given, plain))
        floor = 3e-6 if i < 4 else 3e-4
        assert error <= max(3 * allowed, floor), (i, error, allowed)


def check_all_bounds(d, dv):
    check_bounds(luna.luna_attention, lambda q, k, v, *p: luna.reference_attention(q, k, v, "luna", p),
                 (*qkv(d, dv), *params(False, d)))
    for feature_map in ("elu", "relu", "performer"):
        w = [luna.performer_projection(16, d)] if feature_map == "performer" else []
        check_bounds(lambda q, k, v: luna.fixed_attention(q, k, v, feature_map, [x.to(q.device) for x in w]),
                     lambda q, k, v: luna.reference_attention(q, k, v, feature_map, [x.to(q.dtype) for x in w]),
                     qkv(d, dv))


def check_reference():
    """Every fixed map from its name and draw_feature_map alone, packed sequences too."""
    offsets = torch.tensor([0, 4, N], dtype=torch.int32)
    for feature_map in ("elu", "relu2", "identity", "performer:hyperbolic", "rff:norm", "rfa", "cosformer", "dpfp:2",
                        "taylor2", "t2r", "hedgehog:exp", "polaformer", "luna-deep:3", "luna-spline"):
        params = luna.draw_feature_map(feature_map, 16, D)
        q, k, v = qkv()
        assert luna.reference_attention(q, k, v, feature_map, params).shape == (B, H, NQ, DV)
        packed = luna.reference_attention(torch.randn(1, H, N, D), k[:1], v[:1], feature_map, params, cu_seqlens=offsets)
        assert packed.shape == (1, H, N, DV)


def check_steps():
    """Prefill and steps are the causal operator, packed sequences each its own call."""
    close = dict(rtol=1e-4, atol=1e-5)
    for feature_map in ("elu", "performer", "t2r"):
        weights = [x.to(arguments.device) for x in luna.draw_feature_map(feature_map, 16, D)]
        q, k, v = (torch.randn(1, heads, N, D, device=arguments.device) for heads in (H, HK, HK))
        whole = luna.fixed_attention(q, k, v, feature_map, weights, causal=True)
        out, state, norm = luna.fixed_prefill(q[:, :, :4], k[:, :, :4], v[:, :, :4], feature_map, weights)
        torch.testing.assert_close(out, whole[:, :, :4], **close)
        for n in range(4, N):
            token = [x[:, :, n] for x in (q, k, v)]
            step = luna.fixed_decode_step(*token, state, norm, feature_map, weights)
            torch.testing.assert_close(step, whole[:, :, n], **close)
        for offsets in (torch.tensor([0, 4, 4, N], dtype=torch.int32, device=place) for place in ("cpu", arguments.device)):
            packed = luna.fixed_attention(q, k, v, feature_map, weights, causal=True, cu_seqlens=offsets)
            torch.testing.assert_close(packed[:, :, :4], whole[:, :, :4], **close)


def check_once_differentiable():
    inputs = (*qkv(), *params(False))
    gradient, = torch.autograd.grad(luna.luna_attention(*inputs).sum(), inputs[0], create_graph=True)
    try:
        gradient.sum().backward()
    except NotImplementedError as error:
        assert "reference_attention" in str(error), error
    else:
        raise AssertionError("differentiating the gradient must raise")


def refusal_of(action):
    try:
        action()
    except NotImplementedError as error:
        return str(error).split("\n")[0]
    raise AssertionError("must raise")


def check_func():
    """torch.func: the reference goes under every transform, a fused operator refuses each in one sentence."""
    many = [torch.randn(3, 1, H, N, D) for _ in range(3)]
    q, k, v = (x[0] for x in many)

    def fused(q, k, v):
        return luna.fixed_attention(q, k, v, "elu", [])

    def reference(q, k, v):
        return luna.reference_attention(q, k, v, "elu", [])

    torch.testing.assert_close(torch.vmap(reference)(*many), torch.stack([fused(*x) for x in zip(*many)]))
    func = torch.func.grad(lambda q: reference(q, k, v).square().sum())
    leaf_q = q.clone().requires_grad_()
    torch.testing.assert_close(func(q), torch.autograd.grad(fused(leaf_q, k, v).square().sum(), leaf_q)[0])
    reached = ("luna: torch.func does not reach through a fused attention; use torch.autograd.grad, or "
               "luna::reference_attention.")
    assert refusal_of(lambda: torch.func.grad(lambda q: fused(q, k, v).sum())(q)) == reached
    assert refusal_of(lambda: torch.func.vjp(lambda v: fused(q, k, v), v)) == reached
    assert refusal_of(lambda: torch.func.jacrev(lambda k: fused(q, k, v))(k)) == reached
    assert refusal_of(lambda: torch.vmap(torch.func.grad(lambda q: fused(q, k, v).sum()))(many[0])) == reached
    mapped = (": torch.vmap is not offered; make the mapped dimension part of B (flatten it into the batch), or use "
              "luna::reference_attention.")
    states = (torch.zeros(3, 1, H, D, D), torch.zeros(3, 1, H, D))
    for name, action in (
        ("fixed_attention", lambda: torch.vmap(fused)(*many)),
        ("fixed_prefill", lambda: torch.vmap(lambda *x: luna.fixed_prefill(*x, "elu", []))(*many)),
        ("fixed_decode_step", lambda: torch.vmap(lambda *x: luna.fixed_decode_step(*x, "elu", []))(
            *(x[..., 0, :] for x in many), *states)),
        ("_attention_backward", lambda: torch.autograd.grad(fused(leaf_q, k, v), leaf_q, many[2], is_grads_batched=True)),
    ):
        assert refusal_of(action) == "luna::" + name + mapped, name


torch.manual_seed(0)
if arguments.device == "cuda":
    if not torch.cuda.is_available():
        print("skipped: torch.cuda.is_available() is false")
        sys.exit(SKIPPED)
    for size in (32, 64):
        check_all_bounds(size, size)
    check_steps()
    print("luna and fixed attention on CUDA: inside the error bounds at d 32 and 64, decoding and packed too")
else:
    check_public()
    check_packed()
    check_decoding()
    check_internal()
    check_kept_sums()
    check_saved_tensors()
    check_lazy_clones()
    check_all_bounds(D, DV)
    check_reference()
    check_steps()
    check_once_differentiable()
    check_func()
    print("all operators: opcheck clean, inside the error bounds, differentiable once")
