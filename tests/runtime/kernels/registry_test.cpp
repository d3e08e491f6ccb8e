// Which pipeline a device gets, and what tuning does to that.
#include "runtime/kernels/registry.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace luna::kernels {
namespace {

int other(void**) { return 7; }

TEST(Registry, AnUnknownDeviceHasTheDefaultRow) {
  const auto unknown = [] { return std::string("no such device"); };
  for (const char* name : {"tile_product", "tile_dot", "kv_state_elu_32_cuda"}) {
    const Pipeline pipeline = find_pipeline(name, unknown);
    EXPECT_NE(pipeline, nullptr) << name;
    EXPECT_EQ(find_pipeline(name, unknown), pipeline);
  }
  EXPECT_EQ(find_pipeline("no_such_pipeline", unknown), nullptr);
  EXPECT_EQ(find_pipeline("no_such_pipeline"), nullptr);
}

TEST(Registry, NamesThisProcessor) {
  EXPECT_NE(processor_name().find(", family "), std::string::npos) << processor_name();
}

TEST(Registry, ReplacesAPipelineOnEveryDeviceUntilItIsPutBack) {
  const auto unknown = [] { return std::string("no such device"); };
  const Pipeline before = find_pipeline("tile_dot");
  const Pipeline& slot = pipeline_slot("tile_dot");
  replace_pipeline("tile_dot", other);
  EXPECT_EQ(find_pipeline("tile_dot"), &other);
  EXPECT_EQ(find_pipeline("tile_dot", unknown), &other);
  EXPECT_EQ(slot, &other);
  replace_pipeline("tile_dot", nullptr);
  EXPECT_EQ(find_pipeline("tile_dot"), before);
  EXPECT_EQ(slot, before);
}

TEST(Registry, TellsWhoWatches) {
  std::vector<std::string> told;
  watch_pipelines([&](const std::string& name) { told.push_back(name); });
  find_pipeline("tile_dot");
  watch_pipelines({});
  find_pipeline("tile_weigh");
  EXPECT_EQ(told, std::vector<std::string>{"tile_dot"});
}

}  // namespace
}  // namespace luna::kernels
