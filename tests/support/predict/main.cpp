// luna_predict: the prediction table at head sizes 64 and 32; what `make bench DEVICE=cuda` prints
// without a GPU. luna_predict --cost PIPELINE LIBRARY FUNCTION: the nanoseconds of that pipeline
// alone with FUNCTION of a library in its place; then a line a kernel: its name, threads of a block
// and bytes of dynamic shared memory; for `luna autotune`.
#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <exception>

#include "runtime/kernels/registry.h"
#include "tests/support/predict/predict.h"

namespace luna::test {
namespace {

void print_tables() {
  for (const int64_t d : {64, 32}) {
    const bench::Size size{"", 1, 1, 2048, d, 16, 8, 64};
    fmt::print("{}\n", prediction_table(predict_all(size), size));
  }
}

void print_cost(const std::string& pipeline, const char* path, const std::string& function) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void* const entry = library ? dlsym(library, (function + "_argv").c_str()) : nullptr;
  if (entry == nullptr) throw std::runtime_error(dlerror());
  kernels::replace_pipeline(pipeline, reinterpret_cast<kernels::Pipeline>(entry));
  const PipelineCost cost = pipeline_cost(pipeline);
  fmt::print("{}\n", cost.ns);
  for (const PtxProfile& of : cost.launches) {
    fmt::print("{} {} {}\n", of.kernel, of.threads, of.dynamic_shared);
  }
}

}  // namespace
}  // namespace luna::test

int main(int count, char** arguments) {
  setenv("LUNA_CUDA_DRIVER", LUNA_PTX_DRIVER, 1);
  try {
    if (count == 5 && std::string(arguments[1]) == "--cost") {
      luna::test::print_cost(arguments[2], arguments[3], arguments[4]);
    } else {
      luna::test::print_tables();
    }
  } catch (const std::exception& error) {
    const std::string text = error.what();
    fmt::print(stderr, "luna_predict: {}\n", text.substr(0, text.find('\n')));
    return 1;
  }
  return 0;
}
