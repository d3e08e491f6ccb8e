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
    const Pipeline pipeline = find_pipeline(name, unknown, 1);
    EXPECT_NE(pipeline, nullptr) << name;
    EXPECT_EQ(find_pipeline(name, unknown, 1), pipeline);
  }
  EXPECT_EQ(find_pipeline("no_such_pipeline", unknown, 1), nullptr);
  EXPECT_EQ(find_pipeline("no_such_pipeline"), nullptr);
}

TEST(Registry, ChoosesByDeviceAndBucketOfRows) {
  const Pipeline usual = other, few = [](void**) { return 1; }, fewest = [](void**) { return 2; };
  const std::vector<Tuned> schedule = {{"B", "p", 0, few},
                                       {"A", "p", 4096, few},
                                       {"A", "p", 0, usual},
                                       {"A", "p", 100, fewest},
                                       {"A", "q", 100, fewest}};
  const auto chosen = [&](const char* device, const char* name, int64_t rows) {
    const Tuned* const row = choose(
        schedule, name, [&] { return std::string(device); }, rows);
    return row ? row->pipeline : nullptr;
  };
  EXPECT_EQ(chosen("A", "p", 1), fewest);
  EXPECT_EQ(chosen("A", "p", 100), fewest);
  EXPECT_EQ(chosen("A", "p", 101), few);
  EXPECT_EQ(chosen("A", "p", 4096), few);
  EXPECT_EQ(chosen("A", "p", 4097), usual);
  EXPECT_EQ(chosen("A", "p", 0), usual) << "how many is not known";
  EXPECT_EQ(chosen("B", "p", 1), few);
  EXPECT_EQ(chosen("A", "q", 101), nullptr) << "the default row, outside the bucket";
  EXPECT_EQ(chosen("unknown", "p", 1), nullptr) << "the default row";
  EXPECT_EQ(chosen("unknown", "p", 0), nullptr) << "the default row";
}

TEST(Registry, AsksADevicesNameOnceAndOnlyWhereARowNeedsIt) {
  const std::vector<Tuned> schedule = {
      {"A", "p", 0, other}, {"B", "p", 0, other}, {"A", "q", 8, other}};
  int asked = 0;
  const auto device = [&] { return ++asked, std::string("B"); };
  EXPECT_EQ(choose(schedule, "p", device, 1), &schedule[1]);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(choose(schedule, "q", device, 9), nullptr);
  EXPECT_EQ(choose(schedule, "r", device, 1), nullptr);
  EXPECT_EQ(asked, 1);
}

TEST(Registry, CountsGenerationsOfPipelines) {
  const uint64_t first = pipelines_generation();
  replace_pipeline("tile_dot", other);
  const uint64_t second = pipelines_generation();
  replace_pipeline("tile_dot", nullptr);
  hide_pipelines({});
  EXPECT_LT(first, second);
  EXPECT_LT(second + 1, pipelines_generation());
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
  EXPECT_EQ(find_pipeline("tile_dot", unknown, 1), &other);
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
