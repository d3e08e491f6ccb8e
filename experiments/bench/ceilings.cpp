#include "experiments/bench/ceilings.h"

#include <immintrin.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "experiments/bench/clock.h"

namespace luna::bench {
namespace {

constexpr double kWindow = 0.03;  // seconds; the start of threads is below 1 % of it
// Latency 4 and two units need 8 chains; more cost nothing while they fit 32 and 16 registers.
constexpr int kChains512 = 24, kChains256 = 12;

__attribute__((target("avx512f"))) float fma_512(int64_t rounds) {
  const __m512 factor = _mm512_set1_ps(0.5f), step = _mm512_set1_ps(1.0f);
  __m512 chains[kChains512];
  for (__m512& chain : chains) chain = step;
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains512; ++i) chains[i] = _mm512_fmadd_ps(chains[i], factor, step);
  }
  __m512 sum = _mm512_setzero_ps();
  for (const __m512& chain : chains) sum = _mm512_add_ps(sum, chain);
  return _mm512_cvtss_f32(sum);
}

__attribute__((target("avx2,fma"))) float fma_256(int64_t rounds) {
  const __m256 factor = _mm256_set1_ps(0.5f), step = _mm256_set1_ps(1.0f);
  __m256 chains[kChains256];
  for (__m256& chain : chains) chain = step;
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains256; ++i) chains[i] = _mm256_fmadd_ps(chains[i], factor, step);
  }
  __m256 sum = _mm256_setzero_ps();
  for (const __m256& chain : chains) sum = _mm256_add_ps(sum, chain);
  return _mm256_cvtss_f32(sum);
}

struct FmaLoop {
  const char* isa;
  float (*run)(int64_t rounds);
  double flops_per_round;
};

FmaLoop fma_loop() {
  if (__builtin_cpu_supports("avx512f")) return {"AVX-512", fma_512, 2.0 * 16 * kChains512};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return {"AVX2", fma_256, 2.0 * 8 * kChains256};
  }
  throw std::runtime_error("bench: the ceilings need a processor with AVX2 and FMA");
}

/// Wall time of `work(thread)` on so many threads at once.
double together(int threads, const std::function<void(int)>& work) {
  const double begin = seconds_now();
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work, i);
  work(0);
  for (std::thread& other : others) other.join();
  return seconds_now() - begin;
}

double shortest(int threads, double seconds, const std::function<void(int)>& work) {
  const double begin = seconds_now();
  double least = together(threads, work);
  while (seconds_now() - begin < seconds) least = std::min(least, together(threads, work));
  return least;
}

double peak_gflops(const FmaLoop& loop, int threads, double seconds) {
  volatile float sink = 0;
  const auto run = [&](int64_t rounds) { sink = loop.run(rounds); };
  int64_t rounds = 1000;
  while (together(1, [&](int) { run(rounds); }) < kWindow / 2) rounds *= 2;
  const double least = shortest(threads, seconds, [&](int) { run(rounds); });
  return 1e-9 * threads * static_cast<double>(rounds) * loop.flops_per_round / least;
}

double triad_gb_s(int threads, double seconds) {
  constexpr int64_t kLeast = 64 << 20, kMost = 512 << 20;  // bytes an array
  const int64_t bytes = std::clamp(4 * int64_t{sysconf(_SC_LEVEL3_CACHE_SIZE)}, kLeast, kMost);
  const size_t count = static_cast<size_t>(bytes) / sizeof(float);
  std::vector<float> a(count, 1.0f), b(count, 2.0f), c(count, 3.0f);
  const double least = shortest(threads, seconds, [&](int thread) {
    const auto part = static_cast<size_t>(thread), parts = static_cast<size_t>(threads);
    const size_t end = count * (part + 1) / parts;
    float* const to = a.data();
    const float *from = b.data(), *scaled = c.data();
    for (size_t i = count * part / parts; i < end; ++i) to[i] = from[i] + 0.5f * scaled[i];
  });
  return 1e-9 * 3 * static_cast<double>(bytes) / least;
}

}  // namespace

void to_json(nlohmann::json& object, const Ceilings& ceilings) {
  object = {{"threads", ceilings.threads},
            {"isa", ceilings.isa},
            {"gflops", ceilings.gflops},
            {"gb_s", ceilings.gb_s}};
}

Ceilings measure_ceilings(int threads, double seconds) {
  const FmaLoop loop = fma_loop();
  return {threads, loop.isa, peak_gflops(loop, threads, seconds), triad_gb_s(threads, seconds)};
}

}  // namespace luna::bench
