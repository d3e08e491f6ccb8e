// Every compiled Halide pipeline by name; CUDA pipelines end in _cuda. Names:
//   features[_grad]_<map>                       a map on tiles, on CUDA on rows in memory
//   tile_<pass>, segment_<pass>[_<size>]        the CPU's products; size 0 = any head size
//   rows_<pass>[_<map>]                         CUDA's over rows in memory
//   <pass>_<map>[<channel tile>]_<size>         CUDA's with the map inlined
// Kernels in CUDA C++ are called as pipelines are: siblings on tensor cores, which have the name of
// what they stand for and _<bf16, f16, f32 or f64>, rows_gather, rows_scatter, psi_knots, psi_table
// and psi_gradient. The list is generated from generators/CMakeLists.txt; a pipeline that a file of
// generators/schedules/ tunes for a device is compiled once more for it, and what it computes stays
// the same.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace luna::kernels {

/// A pipeline's uniform entry: pointers to its arguments (halide_buffer_t or scalar) in declaration
/// order.
using Pipeline = int (*)(void** arguments);

/// The pipeline of that name as it is scheduled for this processor, else as every unknown device
/// has it; nullptr where there is none.
Pipeline find_pipeline(const std::string& name);
/// Where that pipeline is kept: looked up once, called often. It must exist.
const Pipeline& pipeline_slot(const std::string& name);
/// The same as find_pipeline for another device, whose name is asked for where it matters, and a
/// call about so many rows: of the variants of that device, that of the smallest bucket of rows
/// which holds them, else the one for any number. rows 0: not known, hence no bucket.
Pipeline find_pipeline(const std::string& name, const std::function<std::string()>& device,
                       int64_t rows);

/// Those that some device has a schedule for.
std::vector<std::string> tuned_pipelines();

/// A row of a schedule: what one device has in place of a pipeline where a call is about at most so
/// many rows.
struct Tuned {
  const char* device;
  const char* name;
  int64_t rows;  ///< 0: any number
  Pipeline pipeline;
};

/// The row for such a call; nullptr: the default, which every unknown device has.
const Tuned* choose(const std::vector<Tuned>& schedule, const std::string& name,
                    const std::function<std::string()>& device, int64_t rows);

/// The name that this processor's schedules are kept under: "AMD EPYC 9R14 96-Core Processor,
/// family 25 model 17".
const std::string& processor_name();

/// What tuning and predictions need; not while operators run on other threads.
///
/// Another number after each of the next two: what was decided by which pipelines there are is
/// decided anew.
uint64_t pipelines_generation();
/// From now on CUDA has no pipeline whose name this is true of; an empty one: it has all.
void hide_pipelines(std::function<bool(const std::string& name)> hidden);
/// From now on that pipeline is this one, on every device; nullptr: as compiled.
void replace_pipeline(const std::string& name, Pipeline pipeline);
/// From now on `told` hears the name of every pipeline that is looked up, on CUDA before each call;
/// an empty one: nobody does.
void watch_pipelines(std::function<void(const std::string& name)> told);

}  // namespace luna::kernels
