// Random numbers that are a pure function of a key: same key, same numbers, on every machine.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <utility>
#include <vector>

namespace luna::experiments {

/// SplitMix64, started from a key of several numbers such as (stream, seed, step). Different keys
/// give unrelated sequences.
class Random {
 public:
  explicit Random(std::initializer_list<uint64_t> key) {
    for (const uint64_t part : key) state_ = mix(state_ + kGolden) ^ part;
    state_ = mix(state_);
  }

  uint64_t next() { return mix(state_ += kGolden); }

  /// Uniform in [0, n), n > 0; the bias is below n / 2^64.
  int64_t below(int64_t n) {
    return static_cast<int64_t>(static_cast<unsigned __int128>(next()) * n >> 64);
  }

  /// Uniform in [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  /// The first `count` numbers of a random order of 0 .. n - 1 (Fisher-Yates).
  std::vector<int64_t> distinct(int64_t count, int64_t n) {
    std::vector<int64_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    for (int64_t i = 0; i < count; ++i) std::swap(order[i], order[i + below(n - i)]);
    order.resize(count);
    return order;
  }

 private:
  static constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;

  static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  uint64_t state_ = 0;
};

}  // namespace luna::experiments
