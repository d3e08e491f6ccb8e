#include "runtime/ops/performer.h"

namespace luna::ops {

at::Tensor performer_projection(int64_t m, int64_t d, std::optional<at::Generator> generator) {
  TORCH_CHECK_VALUE(m > 0 && d > 0, "performer_projection: m and d must be > 0, got ", m, " and ",
                    d, ".");
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const int64_t columns = std::min(m, d);  // those before determine a column of q
  std::vector<at::Tensor> blocks;
  for (int64_t row = 0; row < m; row += d) {
    const auto [q, r] = at::linalg_qr(at::randn({d, columns}, generator, options));
    blocks.push_back((q * r.diagonal().sign()).t().narrow(0, 0, std::min(d, m - row)));
  }
  const at::Tensor norms = at::randn({m, d}, generator, options).norm(2, -1, /*keepdim=*/true);
  return (at::cat(blocks) * norms).to(at::kFloat);
}

}  // namespace luna::ops
