// psi with any number of hidden ReLU layers: of one scalar it is piecewise linear too.
#pragma once

#include "runtime/psi/segment_table.h"

namespace luna::psi {

/// h_0 = t, h_i = relu(W_i h_{i-1} + b_i), psi(t) = W_out h + b_out. Every unit is a line on every
/// segment; a layer's units cut the segments where they cross zero. Knots and what holds on them:
/// as Pwl's.
class Network : public TablePsi {
 public:
  /// params: W_1 [hid1], b_1 [hid1], W_2 [hid2, hid1], b_2 [hid2], ..., W_out [L, hid], b_out [L],
  /// float32, any device. Throws c10::ValueError where there are more than kMaxKnots knots; op: the
  /// name that its message begins with.
  Network(const char* op, at::TensorList params);

  std::vector<at::Tensor> unfold(const at::Tensor& lines) const override;

 private:
  /// Lines of `width` units on some segments, row by row.
  struct Lines {
    int64_t width;
    std::vector<double> slope, intercept;  ///< [segments, width]
    int64_t segments() const { return static_cast<int64_t>(slope.size()) / width; }
  };
  struct Layer {
    int64_t out;
    std::vector<double> weight, bias;  ///< [out, in], [out]
    Lines in = {};
    /// Of a hidden layer, for the segments behind it: the one of `in` that each lies in, and which
    /// units are active there.
    std::vector<int64_t> parent = {};
    std::vector<char> active = {};  ///< [segments, out]
  };

  /// The units before the ReLU, on the segments of their inputs.
  static Lines apply(const Layer& layer);
  /// Cuts the segments where one of these lines crosses zero.
  void split(Layer& layer, const Lines& lines);
  /// The units behind the ReLU, on the segments that split made.
  static Lines rectify(const Layer& layer, const Lines& lines);
  static Lines rectify_back(const Layer& layer, const Lines& grad);
  static Lines apply_back(const Layer& layer, const Lines& grad);
  /// The table of these lines, spoilt where a parameter is not finite.
  void make_table(const Lines& lines);

  std::vector<std::vector<int64_t>> shapes_;  // of the parameters
  std::vector<float> knots_;
  std::vector<Layer> layers_;
};

}  // namespace luna::psi
