// What the executing driver holds.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>

#include "tests/support/ptx/driver.h"
#include "tests/support/ptx/executor.h"

namespace luna::test::ptx {

inline constexpr size_t kSharedWithoutAsking = 48 * 1024;

/// What cuModuleGetFunction hands out.
struct Function {
  const Module* module;
  const Kernel* kernel;
  size_t most_dynamic_shared = kSharedWithoutAsking;  ///< that it may have
  mutable int most_threads = 0, most_shared = 0;      ///< of a launch so far, shared: dynamic
};

struct Driver {
  std::mutex mutex;
  std::map<const Module*, std::unique_ptr<Module>> modules;
  std::map<const Module*, std::string> texts;
  std::function<std::string(const std::string&)> edit;
  std::unique_ptr<Module> edited;  ///< what was last made of a module by editing
  std::string edited_text;
  std::map<const Kernel*, Function> functions;
  Allocations allocations;
  uint64_t limit = 10'000'000'000;
  std::map<std::string, std::vector<uint64_t>> counts;
  std::map<std::string, Sectors> sectors;
  std::map<const Kernel*, std::vector<uint64_t>> executed;
  std::set<const Function*> seen;  ///< executed as they were loaded
  std::map<int, char> contexts;    ///< by device: a context is the address of its entry
  std::set<PtxPlace> places;
  std::string error;

  int fail(int code, const std::string& message) {
    error = message;
    std::fprintf(stderr, "%s\n", message.c_str());
    return code;
  }
};

/// The one of this process.
Driver& driver();

}  // namespace luna::test::ptx
