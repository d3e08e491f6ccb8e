// The kernels of generators/psi as pipelines.
#include "generators/psi/arguments.h"
#include "runtime/kernels/cuda/argument_reader.h"

extern const char luna_ptx_psi_table[];
extern const char luna_ptx_psi_gradient[];

namespace luna::psi {
namespace {

using Reader = kernels::cuda::ArgumentReader;

Units read_units(Reader& in) {
  Units units{};
  const halide_buffer_t& w1 = in.buffer();
  units.w1 = Reader::data_of<const float>(w1);
  units.count = w1.dim[0].extent;
  units.b1 = in.data<const float>();
  const halide_buffer_t& w2 = in.buffer();
  units.w2 = Reader::data_of<const float>(w2);
  units.hid = w2.dim[0].extent;
  units.L = w2.dim[1].extent;
  units.b2 = in.data<const float>();
  return units;
}

/// A block for each unit and one more.
template <typename Arguments>
int launch(const halide::CudaPlace& place, const char* module, const char* name, Arguments& a) {
  const auto blocks = static_cast<unsigned>(a.units.count + 1);
  return halide::launch(place, {module, name, blocks, 1, 1, kChannelWarps * kWarpLanes, 0, &a});
}

int table(void** arguments) {
  Reader in(arguments);
  const halide::CudaPlace& place = in.place();
  TableArguments a{};
  a.units = read_units(in);
  a.scale = in.value<double>();
  a.shift = in.value<double>();
  a.knots = in.data<float>();
  a.table = in.data<double>();
  return launch(place, luna_ptx_psi_table, "psi_table", a);
}

int gradient(void** arguments) {
  Reader in(arguments);
  const halide::CudaPlace& place = in.place();
  GradientArguments a{};
  a.units = read_units(in);
  for (TableSums& side : a.sides) {
    side.g0 = in.data<const double>();
    side.g1 = in.data<const double>();
    side.scale = in.value<double>();
  }
  a.w1 = in.data<float>();
  a.b1 = in.data<float>();
  a.w2 = in.data<float>();
  a.b2 = in.data<float>();
  return launch(place, luna_ptx_psi_gradient, "psi_gradient", a);
}

}  // namespace
}  // namespace luna::psi

extern "C" int psi_table_cuda_argv(void** arguments) { return luna::psi::table(arguments); }
extern "C" int psi_gradient_cuda_argv(void** arguments) { return luna::psi::gradient(arguments); }
