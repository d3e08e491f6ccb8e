// Instructions of tensor cores, and numbers in 16 bits. Every kernel is compiled alone, for one
// LUNA_STORAGE of x and v and one LUNA_SIZE of heads, as LUNA_KERNEL (generators/CMakeLists.txt).
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <type_traits>

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

/// d += a b of one shape and type; PTX manual, fragments of m16n8k16 and m16n8k8.
#define LUNA_MULTIPLY(shape, type)                                                    \
  asm volatile("mma.sync.aligned." shape ".row.col.f32." type "." type                \
               ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                       \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1))

/// 16 x 16 by 16 x 8, of T.
template <typename T>
__device__ inline void multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  if constexpr (std::is_same_v<T, __half>) {
    LUNA_MULTIPLY("m16n8k16", "f16");
  } else {
    LUNA_MULTIPLY("m16n8k16", "bf16");
  }
}

/// 16 x 8 by 8 x 8, of tf32. Of float32 devices leave out the last 13 bits, which is observed, not
/// specified.
__device__ inline void multiply_tf32(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                     uint32_t b1) {
  LUNA_MULTIPLY("m16n8k8", "tf32");
}
#undef LUNA_MULTIPLY

/// Four 8 x 8 matrices, transposed, as two tiles of columns: lane i gives the address of row i % 8
/// of matrix i / 8.
__device__ inline void load_columns(uint32_t (&d)[2][2], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(d[0][0]), "=r"(d[0][1]), "=r"(d[1][0]), "=r"(d[1][1])
               : "r"(address)
               : "memory");
}
/// Two of them, of the addresses of lanes 0 to 15.
__device__ inline void load_columns(uint32_t (&d)[1][2], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(d[0][0]), "=r"(d[0][1])
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

/// Two numbers of T side by side.
template <typename T>
__device__ inline float2 two_of(uint32_t pair);
template <>
__device__ inline float2 two_of<__nv_bfloat16>(uint32_t pair) {
  return make_float2(low_of(pair), high_of(pair));
}
template <>
__device__ inline float2 two_of<__half>(uint32_t pair) {
  return __half22float2(*reinterpret_cast<const __half2*>(&pair));
}

/// The address that a lane gives load_columns for rows `first` .. and columns 0 .. of a matrix.
__device__ inline uint32_t column_address(const unsigned char* matrix, int pitch, int first) {
  const int lane = threadIdx.x % kWarp;
  return shared_address(matrix + (first + lane % 16) * pitch + lane / 16 * 16);
}
/// Where row k lies so that of every 16 rows lane t of a quad has 4 t .., whatever mma calls them.
__device__ inline int quad_row(int k) {
  return k / 16 * 16 + k % 4 / 2 * 8 + k % 16 / 4 * 2 + k % 2;
}

/// max(x, low) in which NaN stays.
__device__ inline float floor_at(float x, float low) {
  float d;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(d) : "f"(x), "f"(low));
  return d;
}

/// Numbers in parts: rounded to 16 bits, then what that left, rounded again, and so on. How many
/// hold a factor beside x and v of T.
template <typename T>
constexpr Parts kPartsOf = kBrainStorage;
template <>
constexpr Parts kPartsOf<__half> = kHalfStorage;
template <>
constexpr Parts kPartsOf<float> = kFloatStorage;

/// Of bfloat16, whose range float32's sums need, those of one of T.
template <typename T>
constexpr int kBrainParts = kPartsOf<T>.value;
/// Of the factors that are float32 beside x and v of T: W, features, the state.
template <typename T>
constexpr int kParts = kPartsOf<T>.factor;

/// What x is multiplied in, and how many of it hold one of T.
template <typename T>
struct Factor {
  using Type = T;
  static constexpr int kParts = 1;
};
template <>
struct Factor<float> {
  using Type = __nv_bfloat16;
  static constexpr int kParts = kBrainParts<float>;
};

/// d += a b for kTiles tiles of 8 columns beside each other, of numbers in parts, less the products
/// of parts that are beyond what the longer one keeps. Three parts are float32: a tensor core
/// truncates what it adds, so the six products are summed apart, small ones first, and that sum is
/// added rounded.
template <typename T, int kRows, int kColumns, int kTiles>
__device__ inline void add_product(float (*d)[4], const uint32_t (&a)[kRows][4],
                                   const uint32_t (&b)[kColumns][kTiles][2]) {
  constexpr int kKept = kRows > kColumns ? kRows : kColumns;
  constexpr bool kApart = kKept > 2;
  float sum[kTiles][4] = {};
#pragma unroll
  for (int term = 0; term < kRows * kColumns; term++) {
    const int at = kApart ? kRows * kColumns - 1 - term : term, j = at / kRows, i = at % kRows;
    if (i + j >= kKept) continue;
#pragma unroll
    for (int tile = 0; tile < kTiles; tile++) {
      multiply<T>(kApart ? sum[tile] : d[tile], a[i], b[j][tile][0], b[j][tile][1]);
    }
  }
#pragma unroll
  for (int i = 0; kApart && i < 4 * kTiles; i++) d[i / 4][i % 4] += sum[i / 4][i % 4];
}

/// Beside half precision to 2 units in the last place.
template <typename T>
__device__ inline float divide(float a, float b) {
  return sizeof(T) > 2 ? __fdiv_rn(a, b) : __fdividef(a, b);
}

/// Two floats as pairs of parts in T.
template <typename T, int kCount>
__device__ inline void split(float low, float high, uint32_t (&parts)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; i++) {
    parts[i] = pair(low, high);
    low -= low_of(parts[i]);
    high -= high_of(parts[i]);
  }
}
template <>
__device__ inline void split<__half, 2>(float low, float high, uint32_t (&parts)[2]) {
  const __half2 halves = __floats2half2_rn(low, high);
  const __half2 others = __floats2half2_rn(low - __low2float(halves), high - __high2float(halves));
  parts[0] = *reinterpret_cast<const uint32_t*>(&halves);
  parts[1] = *reinterpret_cast<const uint32_t*>(&others);
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

/// Eight numbers of T as they lie in memory.
template <typename T>
struct Eight {
  uint32_t words[2 * sizeof(T)];

  __device__ static Eight load(const T* from) {
    Eight x;
#pragma unroll
    for (int i = 0; i < static_cast<int>(sizeof(T)) / 2; i++) {
      const uint4 four = reinterpret_cast<const uint4*>(from)[i];
      x.words[4 * i] = four.x;
      x.words[4 * i + 1] = four.y;
      x.words[4 * i + 2] = four.z;
      x.words[4 * i + 3] = four.w;
    }
    return x;
  }
  /// Zeros unless `there`: the load need not wait for the weight that says it.
  __device__ void keep_if(bool there) {
#pragma unroll
    for (uint32_t& word : words) word = there ? word : 0;
  }
};

/// Numbers 2 i and 2 i + 1 of eight.
__device__ inline float2 floats(const Eight<float>& x, int i) {
  return make_float2(__uint_as_float(x.words[2 * i]), __uint_as_float(x.words[2 * i + 1]));
}
template <typename T>
__device__ inline float2 floats(const Eight<T>& x, int i) {
  return two_of<T>(x.words[i]);
}

/// Two numbers of T side by side in parts of To.
template <typename To, typename T, int kCount>
__device__ inline void to_parts(uint32_t pair, uint32_t (&parts)[kCount]) {
  if constexpr (std::is_same_v<To, T>) {
    parts[0] = pair;
  } else {
    const float2 two = two_of<T>(pair);
    split<To>(two.x, two.y, parts);
  }
}
/// Numbers 2 i and 2 i + 1 of eight.
template <typename To, typename T, int kCount>
__device__ inline void to_parts(const Eight<T>& eight, int i, uint32_t (&parts)[kCount]) {
  if constexpr (sizeof(T) == 2) {
    to_parts<To, T>(eight.words[i], parts);
  } else {
    const float2 two = floats(eight, i);
    split<To>(two.x, two.y, parts);
  }
}

}  // namespace luna::tensor
