// The kernels of generators/psi as pipelines.
#include "generators/psi/arguments.h"
#include "runtime/kernels/cuda/argument_reader.h"

extern const char luna_ptx_psi_knots[];
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
  units.act.count = in.value<int32_t>();
  for (double& value : units.act.breaks) value = in.value<double>();
  for (double& value : units.act.slope) value = in.value<double>();
  for (double& value : units.act.offset) value = in.value<double>();
  return units;
}

template <typename Arguments>
int launch(const halide::CudaPlace& place, const char* module, const char* name, int32_t blocks,
           Arguments& a) {
  return halide::launch(place,
                        {module, name, static_cast<unsigned>(blocks), 1, 1, kPsiThreads, 0, &a});
}

int32_t knots_of(const Units& units) { return units.count * units.act.count; }

int knots(void** arguments) {
  Reader in(arguments);
  const halide::CudaPlace& place = in.place();
  KnotsArguments a{};
  a.units = read_units(in);
  a.knots = in.data<float>();
  a.begins = in.data<int32_t>();
  return launch(place, luna_ptx_psi_knots, "psi_knots",
                kernels::cuda::blocks_of(knots_of(a.units), kPsiThreads), a);
}

int table(void** arguments) {
  Reader in(arguments);
  const halide::CudaPlace& place = in.place();
  TableArguments a{};
  a.units = read_units(in);
  a.begins = in.data<const int32_t>();
  a.scale = in.data<const double>();
  a.table = in.data<double>();
  a.shift = in.value<double>();
  return launch(place, luna_ptx_psi_table, "psi_table", knots_of(a.units) + 1, a);
}

int gradient(void** arguments) {
  Reader in(arguments);
  const halide::CudaPlace& place = in.place();
  GradientArguments a{};
  a.units = read_units(in);
  a.begins = in.data<const int32_t>();
  for (TableSums& side : a.sides) {
    side.g0 = in.data<const double>();
    side.g1 = in.data<const double>();
    side.scale = in.data<const double>();
  }
  a.tables = in.value<int32_t>();
  a.w1 = in.data<float>();
  a.b1 = in.data<float>();
  a.w2 = in.data<float>();
  a.b2 = in.data<float>();
  return launch(place, luna_ptx_psi_gradient, "psi_gradient", a.units.count + 1, a);
}

}  // namespace
}  // namespace luna::psi

extern "C" int psi_knots_cuda_argv(void** arguments) { return luna::psi::knots(arguments); }
extern "C" int psi_table_cuda_argv(void** arguments) { return luna::psi::table(arguments); }
extern "C" int psi_gradient_cuda_argv(void** arguments) { return luna::psi::gradient(arguments); }
