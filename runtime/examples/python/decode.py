"""Decoding in Python: a prompt leaves its state, tokens follow one by one, and together they are causal attention.

Usage: decode.py path/to/libluna.so
"""
import sys

import torch

torch.ops.load_library(sys.argv[1])
luna = torch.ops.luna
torch.manual_seed(0)

B, H, N, prompt, d = 2, 4, 96, 64, 32
q, k, v = (torch.randn(B, H, N, d) for _ in range(3))
whole = luna.fixed_attention(q, k, v, "elu", [], causal=True)

out, state, norm = luna.fixed_prefill(q[:, :, :prompt], k[:, :, :prompt], v[:, :, :prompt], "elu", [])
rows = [out]
for n in range(prompt, N):
    # state [B, H, D, dv] and norm [B, H, D] take the token in, in place.
    token = luna.fixed_decode_step(q[:, :, n], k[:, :, n], v[:, :, n], state, norm, "elu", [])
    rows.append(token.unsqueeze(2))
distance = (torch.cat(rows, 2) - whole).abs().max().item()
print(f"{prompt} tokens at once and {N - prompt} one by one: {distance:.1e} from causal attention at the most")
sys.exit(0 if distance < 1e-5 else 1)
