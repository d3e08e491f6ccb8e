// Operators under autocast.
#pragma once

#include <ATen/autocast_mode.h>

#include <type_traits>
#include <utility>

namespace luna::ops {

template <auto* op, typename Signature>
struct Autocast;
template <auto* op, typename Result, typename... Rest>
struct Autocast<op, Result(const at::Tensor&, const at::Tensor&, const at::Tensor&, Rest...)> {
  static Result call(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, Rest... rest) {
    const c10::DeviceType device = q.device().type();
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(
        at::autocast::get_autocast_dispatch_key_from_device_type(device));
    const at::ScalarType dtype = at::autocast::get_autocast_dtype(device);
    const auto cast = [&](const at::Tensor& x) {
      return at::autocast::cached_cast(dtype, x, device);
    };
    return op(cast(q), cast(k), cast(v), std::forward<Rest>(rest)...);
  }
};

/// The operator with q, k and v, its first arguments, in autocast's dtype; states and the maps'
/// parameters stay as they are.
template <auto* op>
inline constexpr auto* autocast = &Autocast<op, std::remove_pointer_t<decltype(op)>>::call;

}  // namespace luna::ops
