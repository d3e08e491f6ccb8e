// What this processor can do at the most, measured by code of our own in the same run as the
// operators: the roofline. Used by `luna bench --full`.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace luna::bench {

constexpr double kCeilingSeconds = 1.5;  ///< of windows, for either figure of a benchmark

struct Ceilings {
  int threads;
  std::string isa;  ///< of the FMA loop: AVX-512 or AVX2
  double gflops;    ///< float32, independent chains of FMA in registers; an FMA counts two
  double gb_s;      ///< triad a = b + s c over arrays of 4x the last-level cache, 12 bytes a float
};

void to_json(nlohmann::json& object, const Ceilings& ceilings);

/// The best of windows of some 30 ms, `seconds` of them for either figure. Throws
/// std::runtime_error on processors with neither AVX-512 nor AVX2 and FMA.
Ceilings measure_ceilings(int threads, double seconds);

}  // namespace luna::bench
