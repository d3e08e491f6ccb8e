// Vectors of kVector floats, which the file of an instruction set defines before it includes this.
// No function of it may be shared with a file of another instruction set.
#pragma once

namespace luna::kernels {
namespace {

using Vector = float __attribute__((vector_size(kVector * sizeof(float)), aligned(4)));

inline Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
inline void store(float* to, Vector x) { *reinterpret_cast<Vector*>(to) = x; }

}  // namespace
}  // namespace luna::kernels
