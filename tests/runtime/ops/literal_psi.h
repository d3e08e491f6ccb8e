// LUNA's other psis in loops over plain doubles (literal.h).
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace luna::test {

/// psi [L] of "luna-deep" or "luna-spline" at t, before nonneg. params: the map's, float64,
/// contiguous.
std::vector<double> literal_psi(const std::string& map, double t,
                                const std::vector<at::Tensor>& params);

/// phi(x) [m L].
std::vector<double> psi_features(const std::string& map, const std::vector<double>& x,
                                 const std::vector<at::Tensor>& params);

}  // namespace luna::test
