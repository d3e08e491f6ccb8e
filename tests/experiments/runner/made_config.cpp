#include "tests/experiments/runner/made_config.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

namespace luna::testing {
namespace {

namespace fs = std::filesystem;

constexpr char kTask[] = R"(
[task]
name = "recall"
pairs = 4
keys = 8
values = 4
held_out = 50
[model]
width = 16
ffn = 16
)";

pid_t spawn(std::vector<std::string> arguments, const fs::path& output, const fs::path& errors) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  const int flags = O_WRONLY | O_CREAT | O_TRUNC;
  dup2(open(output.c_str(), flags, 0644), STDOUT_FILENO);
  dup2(open(errors.c_str(), flags, 0644), STDERR_FILENO);
  arguments.insert(arguments.begin(), LUNA_EXECUTABLE);
  std::vector<char*> list;
  for (std::string& argument : arguments) list.push_back(argument.data());
  list.push_back(nullptr);
  execv(LUNA_EXECUTABLE, list.data());
  _exit(127);
}

}  // namespace

HeldLock::HeldLock(const fs::path& path) {
  write_text(path, "4321");
  descriptor_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
    throw std::runtime_error("cannot lock " + path.string());
}

HeldLock::~HeldLock() { close(descriptor_); }

Outcome run_luna(const std::vector<std::string>& arguments, const fs::path& device) {
  const TemporaryFolder folder;
  const fs::path output = folder.path() / "output", errors = folder.path() / "errors";
  int status = 0;
  if (waitpid(spawn(arguments, device.empty() ? output : device, errors), &status, 0) < 0) {
    throw std::runtime_error("cannot run luna");
  }
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, read_text(output), read_text(errors)};
}

pid_t start_luna(const std::vector<std::string>& arguments, const fs::path& folder) {
  return spawn(arguments, folder / "output", folder / "errors");
}

MadeConfig::MadeConfig(int steps, const std::string& more) {
  write_text(folder_.path() / "tiers.toml", "quick = [\"made\"]\n");
  write_text(folder_.path() / "made.toml",
             fmt::format("attentions = [\"luna-eps\", \"mean\"]\nseeds = [0]\n{}"
                         "[train]\nsteps = {}\nbatch = 4\nwarmup = 0\nlog_every = 1\n"
                         "eval_every = 20\ncheckpoint_seconds = 0\n[tier.quick]\n{}",
                         kTask, steps, more));
}

fs::path MadeConfig::cell(const std::string& attention) const {
  return results() / "quick" / "made" / attention / "seed_0";
}

std::vector<std::string> MadeConfig::arguments(const std::string& command) const {
  return {command,   "--config", (folder_.path() / "tiers.toml").string(), "--results",
          results(), "--data",   (folder_.path() / "data").string()};
}

Outcome MadeConfig::run(const std::string& command, const std::vector<std::string>& more) const {
  std::vector<std::string> all = arguments(command);
  all.insert(all.end(), more.begin(), more.end());
  return run_luna(all);
}

pid_t MadeConfig::start(const std::string& command) const {
  return start_luna(arguments(command), folder_.path());
}

}  // namespace luna::testing
