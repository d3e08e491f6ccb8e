// Every compiled Halide pipeline by name. Names: <pass>_<map>[<channel tile>][_big]_<size>, size 0
// = any head size; CUDA pipelines end in _cuda. Siblings on tensor cores, which are CUDA C++, are
// called as pipelines are: <pass>_<map>_<size>_<bf16, f16 or f32>_cuda; so are psi_table_cuda and
// psi_gradient_cuda. The list is generated from generators/CMakeLists.txt; a pipeline that a file
// of generators/schedules/ tunes for a device is compiled once more for it, and what it computes
// stays the same.
#pragma once

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
/// The same as find_pipeline for another device, whose name is asked for where it matters.
Pipeline find_pipeline(const std::string& name, const std::function<std::string()>& device);

/// Those that some device has a schedule for.
std::vector<std::string> tuned_pipelines();

/// The name that this processor's schedules are kept under: "AMD EPYC 9R14 96-Core Processor,
/// family 25 model 17".
const std::string& processor_name();

/// What tuning needs; not while operators run on other threads.
///
/// From now on that pipeline is this one, on every device; nullptr: as compiled.
void replace_pipeline(const std::string& name, Pipeline pipeline);
/// From now on `told` hears the name of every pipeline that is looked up, on CUDA before each call;
/// an empty one: nobody does.
void watch_pipelines(std::function<void(const std::string& name)> told);

}  // namespace luna::kernels
