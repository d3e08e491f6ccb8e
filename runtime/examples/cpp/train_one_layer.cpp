// LUNA attention in C++: one layer learns, by its feature map alone, to imitate softmax attention.
#include <luna.h>
#include <torch/torch.h>

#include <cmath>
#include <cstdio>

int main() {
  torch::manual_seed(0);
  const int64_t B = 2, H = 4, N = 128, d = 32, m = 16, L = 8, hid = 64;
  const auto q = torch::randn({B, H, N, d}), k = torch::randn({B, H, N, d}),
             v = torch::randn({B, H, N, d});
  const auto teacher = at::scaled_dot_product_attention(q, k, v);

  torch::nn::Linear first(1, hid), second(hid, L);
  luna::LunaParams params{(torch::randn({m, d}) / std::sqrt(double(d))).requires_grad_(true),
                          torch::zeros({m}).requires_grad_(true),
                          first->weight.detach().squeeze(1).clone().requires_grad_(true),
                          first->bias,
                          second->weight,
                          second->bias};
  luna::LunaOptions options;
  options.feature_eps = 1e-2;

  torch::optim::Adam adam(
      {params.proj_weight, params.proj_bias, params.w1, params.b1, params.w2, params.b2},
      torch::optim::AdamOptions(3e-3));
  double initial = 0, loss_value = 0;
  for (int step = 0; step < 60; ++step) {
    adam.zero_grad();
    const auto loss = torch::mse_loss(luna::luna_attention(q, k, v, params, options), teacher);
    loss.backward();
    adam.step();
    loss_value = loss.item<double>();
    if (step == 0) initial = loss_value;
  }
  std::printf("loss %.5f -> %.5f in 60 steps\n", initial, loss_value);
  return loss_value < 0.95 * initial ? 0 : 1;
}
