// Which elements of memory views have in common: what is updated in place may share none.
#pragma once

#include <ATen/ATen.h>

namespace luna::ops {

/// Whether two indices may reach one element of x. False is a proof: in the order of their strides,
/// every dimension steps over all that those below it reach.
bool may_overlap_itself(const at::Tensor& x);

/// Proof by strides that two views of one dtype into one storage have no element in common, as
/// where state and norm are columns or blocks of one pool. For P a stride of either, or the whole
/// storage: dimensions whose stride is a multiple of P leave an element's residue mod P alone, so
/// that the residues of a view are within an arc of the length that its other dimensions reach;
/// two arcs that do not meet have no residue in common. False proves nothing.
bool apart_by_strides(const at::Tensor& x, const at::Tensor& other);

/// Whether two views of one storage have an element in common: by strides, else by marking the
/// elements of the first on the host, memory traffic of the size of the storage.
bool share_elements(const at::Tensor& x, const at::Tensor& other);

}  // namespace luna::ops
