#include "tests/support/garden.h"

#include <gtest/gtest.h>

#include <regex>

#include "tests/support/compare.h"
#include "tests/support/inputs.h"
#include "tests/support/poison.h"
#include "tests/support/ptx/driver.h"

namespace luna::test {
namespace {

std::string entry_of(const std::string& text) {
  static const std::regex entry("\\.entry (\\w+)");
  std::smatch m;
  return std::regex_search(text, m, entry) ? m.str(1) : "";
}

}  // namespace

Garden::Garden(Subject subject) : subject_(std::move(subject)) {
  edit_ptx([&](const std::string& text) {
    kernels_[entry_of(text)] = text;
    return text;
  });
  take_ptx_counts();
  right_ = subject_.run();
  for (const auto& [kernel, counts] : take_ptx_counts()) stores_[kernel] = counts.global_stores;
  edit_ptx({});
}

Garden::Trial Garden::run(const std::string& kernel, const std::string& wrong) const {
  const std::string& own = kernels_.at(kernel);
  edit_ptx([&](const std::string& text) { return text == own ? wrong : text; });
  Outcome outcome = Outcome::survives;
  try {
    const std::vector<at::Tensor> given = subject_.run();
    for (size_t i = 0; i < given.size(); i++) {
      if (!is_right(given[i], i)) outcome = Outcome::seen;
    }
  } catch (const c10::Error&) {
    outcome = take_ptx_error().empty() ? Outcome::seen : Outcome::reported;
  }
  edit_ptx({});
  const bool as_often = take_ptx_counts()[kernel].global_stores == stores_.at(kernel);
  return {outcome, as_often};
}

bool Garden::is_right(const at::Tensor& given, size_t i) const {
  if (subject_.exact.empty()) return bool(same_bits(given, right_[i]));
  return error(given, subject_.exact[i], subject_.scale[i]).max <= kFloorParams;
}

void Garden::open() {
  ASSERT_TRUE(fused_device().is_cuda()) << "set LUNA_TEST_DEVICE=cuda:0";
  poison_fresh_memory();
  limit_ptx_instructions(3'000'000);
}

void Garden::close() { limit_ptx_instructions(10'000'000'000); }

}  // namespace luna::test
