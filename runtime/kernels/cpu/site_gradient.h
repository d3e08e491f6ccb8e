// The gradient back through psi at sites that locate() has found, by token w and projection i:
//   dpsi_l = w dphi_l where a_l t + c_l is above the floor, else 0   (a, c: the table's row of i)
//   dt = sum_l a_l dpsi_l,   g0_l(row) += dpsi_l,   g1_l(row) += t dpsi_l
// By hand: products are added up for eight projections at once, and a row's two sums are taken
// where its coefficients are at hand (half of the time of Halide's passes). No header of torch.
#pragma once

#include <cstdint>

namespace luna::kernels {

struct SiteGradient {
  const float* dphi;  ///< [tokens, projections, 8], dphi_row from token to token
  int64_t dphi_row;
  const float* weight;  ///< [tokens]; 0: dt = 0, nothing is added, NaN or not
  int64_t tokens, projections;
  const float* t;  ///< [projections, site_pitch], tokens innermost, as segment
  const int32_t* segment;
  int64_t site_pitch;
  const int32_t* first_row;  ///< [projections]: the table's row of segment 0
  int32_t last_segment;      ///< higher ones (t = NaN) count as this
  const float* table;        ///< [rows, 2, 8]: slopes a, intercepts c
  float floor;
  float* dt;  ///< [tokens, projections], dt_row from token to token
  int64_t dt_row;
  float *g0, *g1;  ///< [rows, 8] each, added to; or nullptr
};

void site_gradient(const SiteGradient& args);

}  // namespace luna::kernels
