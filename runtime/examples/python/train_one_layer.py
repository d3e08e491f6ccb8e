"""LUNA attention in Python: one layer learns, by its feature map alone, to imitate softmax attention.

Usage: train_one_layer.py path/to/libluna.so
"""
import sys

import torch

torch.ops.load_library(sys.argv[1])
torch.manual_seed(0)

B, H, N, d, m, L, hid = 2, 4, 128, 32, 16, 8, 64
q, k, v = (torch.randn(B, H, N, d) for _ in range(3))
teacher = torch.nn.functional.scaled_dot_product_attention(q, k, v)

first, second = torch.nn.Linear(1, hid), torch.nn.Linear(hid, L)
params = [
    (torch.randn(m, d) / d**0.5).requires_grad_(),  # proj_weight [m, d]
    torch.zeros(m, requires_grad=True),  # proj_bias [m]
    first.weight.detach().squeeze(1).clone().requires_grad_(),  # w1 [hid]
    first.bias,  # b1 [hid]
    second.weight,  # w2 [L, hid]
    second.bias,  # b2 [L]
]
adam = torch.optim.Adam(params, lr=3e-3)
losses = []
for step in range(60):
    adam.zero_grad()
    out = torch.ops.luna.luna_attention(q, k, v, *params, feature_eps=1e-2)
    loss = torch.nn.functional.mse_loss(out, teacher)
    loss.backward()
    adam.step()
    losses.append(loss.item())
print(f"loss {losses[0]:.5f} -> {losses[-1]:.5f} in 60 steps")

elu = torch.ops.luna.fixed_attention(q, k, v, "elu", [])
w = torch.ops.luna.performer_projection(128, d)
performer = torch.ops.luna.fixed_attention(q, k, v, "performer", [w])
for name, out in (("elu", elu), ("performer", performer)):
    print(f"{name}: mean squared distance to softmax {(out - teacher).square().mean():.5f}")
sys.exit(0 if losses[-1] < 0.95 * losses[0] else 1)
