// Instructions of tensor cores, and numbers in 16 bits. Every kernel is compiled alone, for one
// LUNA_STORAGE of x and v and one LUNA_SIZE of heads, as LUNA_KERNEL (generators/CMakeLists.txt).
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "generators/attention/tensor/arguments.h"

namespace luna::tensor {

/// Bytes of shared memory by their 32-bit address.
__device__ inline uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

/// address += bytes where the number `bytes` further is no larger than x.
__device__ inline void advance_if_reached(uint32_t& address, int bytes, float x) {
  asm volatile(
      "{ .reg .pred reached; .reg .b32 next; .reg .f32 knot;\n"
      "add.u32 next, %0, %1;\n"
      "ld.shared.f32 knot, [next];\n"
      "setp.le.f32 reached, knot, %2;\n"
      "@reached add.u32 %0, %0, %1; }"
      : "+r"(address)
      : "r"(bytes), "f"(x));
}

/// d += a b, 16 x 16 by 16 x 8, of T; PTX manual, fragments of m16n8k16.
template <typename T>
__device__ inline void multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);

template <>
__device__ inline void multiply<__nv_bfloat16>(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                               uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

template <>
__device__ inline void multiply<__half>(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                        uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// Four 8 x 8 matrices, transposed: lane i gives the address of row i % 8 of matrix i / 8.
__device__ inline void load_columns(uint32_t (&d)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"(address)
               : "memory");
}
/// Two of them, of the addresses of lanes 0 to 15.
__device__ inline void load_columns(uint32_t (&d)[2], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(d[0]), "=r"(d[1])
               : "r"(address)
               : "memory");
}

/// An 8 x 8 matrix of which lane 4 g + t has elements 2 t, 2 t + 1 of row g, transposed.
__device__ inline uint32_t transpose(uint32_t a) {
  uint32_t d;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(d) : "r"(a));
  return d;
}

/// Of each half: 1 of float16, which is 2^-7 of bfloat16, where the two numbers of float16 are
/// equal, else 0.
constexpr float kOneHot = 1.0f / 128;
__device__ inline uint32_t one_hot(uint32_t a, uint32_t b) {
  uint32_t d;
  asm("set.eq.f16x2.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}

/// Two floats in bfloat16, rounded to nearest, `low` in the lower half.
__device__ inline uint32_t pair(float low, float high) {
  uint32_t d;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
  return d;
}
__device__ inline float low_of(uint32_t pair) { return __uint_as_float(pair << 16); }
__device__ inline float high_of(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }

/// What `pair` of (low, high) rounds off, as a pair: together 16 bits of each.
__device__ inline uint32_t rest(uint32_t rounded, float low, float high) {
  return pair(low - low_of(rounded), high - high_of(rounded));
}

/// max(x, low) in which NaN stays.
__device__ inline float floor_at(float x, float low) {
  float d;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(d) : "f"(x), "f"(low));
  return d;
}

/// d += a b of numbers in two parts, rounded and rest: all of a by b's rounded part (`part` 0), or
/// a's rounded part by b's rest; the product of both rests is beyond float32.
__device__ inline void add_product(float (&d)[4], const uint32_t (&a)[2][4], uint32_t b0,
                                   uint32_t b1, int part) {
  multiply<__nv_bfloat16>(d, a[0], b0, b1);
  if (part == 0) multiply<__nv_bfloat16>(d, a[1], b0, b1);
}

/// How many numbers of bfloat16, whose range float32's sums need, hold one of T.
template <typename T>
constexpr int kBrainParts = 1;
template <>
constexpr int kBrainParts<__half> = 2;

/// Two numbers of T as pairs of bfloat16: rounded, then what is left.
__device__ inline void to_brain(uint32_t two, uint32_t (&parts)[1]) { parts[0] = two; }
__device__ inline void to_brain(uint32_t two, uint32_t (&parts)[2]) {
  const float2 x = __half22float2(*reinterpret_cast<const __half2*>(&two));
  parts[0] = pair(x.x, x.y);
  parts[1] = rest(parts[0], x.x, x.y);
}
/// Eight of them.
template <int kParts>
__device__ inline void to_brain(const uint4& eight, uint4 (&parts)[kParts]) {
  uint32_t x[kParts], y[kParts], z[kParts], w[kParts];
  to_brain(eight.x, x);
  to_brain(eight.y, y);
  to_brain(eight.z, z);
  to_brain(eight.w, w);
#pragma unroll
  for (int part = 0; part < kParts; part++) {
    parts[part] = make_uint4(x[part], y[part], z[part], w[part]);
  }
}

/// Two floats in T, rounded to nearest.
template <typename T>
__device__ inline uint32_t pair_of(float low, float high);
template <>
__device__ inline uint32_t pair_of<__nv_bfloat16>(float low, float high) {
  return pair(low, high);
}
template <>
__device__ inline uint32_t pair_of<__half>(float low, float high) {
  const __half2 halves = __floats2half2_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&halves);
}

/// Eight floats to 16-byte aligned numbers of T.
template <typename T>
__device__ inline void store_eight(T* to, const float (&x)[8]) {
  *reinterpret_cast<uint4*>(to) = make_uint4(pair_of<T>(x[0], x[1]), pair_of<T>(x[2], x[3]),
                                             pair_of<T>(x[4], x[5]), pair_of<T>(x[6], x[7]));
}
__device__ inline void store_eight(float* to, const float (&x)[8]) {
  reinterpret_cast<float4*>(to)[0] = make_float4(x[0], x[1], x[2], x[3]);
  reinterpret_cast<float4*>(to)[1] = make_float4(x[4], x[5], x[6], x[7]);
}

/// And back from a pair.
template <typename T>
__device__ inline float2 floats_of(uint32_t two);
template <>
__device__ inline float2 floats_of<__nv_bfloat16>(uint32_t two) {
  return make_float2(low_of(two), high_of(two));
}
template <>
__device__ inline float2 floats_of<__half>(uint32_t two) {
  return __half22float2(*reinterpret_cast<const __half2*>(&two));
}

/// Two floats as pairs of T: rounded, then what is left.
template <typename T>
__device__ inline void split(float low, float high, uint32_t& rounded, uint32_t& left);
template <>
__device__ inline void split<__nv_bfloat16>(float low, float high, uint32_t& rounded,
                                            uint32_t& left) {
  rounded = pair(low, high);
  left = rest(rounded, low, high);
}
template <>
__device__ inline void split<__half>(float low, float high, uint32_t& rounded, uint32_t& left) {
  const __half2 halves = __floats2half2_rn(low, high);
  const __half2 others = __floats2half2_rn(low - __low2float(halves), high - __high2float(halves));
  rounded = *reinterpret_cast<const uint32_t*>(&halves);
  left = *reinterpret_cast<const uint32_t*>(&others);
}

}  // namespace luna::tensor
