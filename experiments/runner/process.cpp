#include "experiments/runner/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace luna::experiments {
namespace {

constexpr const char* kThreadVariables[] = {"OMP_NUM_THREADS", "MKL_NUM_THREADS"};

std::array<int, 2> open_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error(fmt::format("cannot start a cell: {}", strerror(errno)));
  }
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return ends;
}

[[noreturn]] void become(std::vector<std::string> arguments, pid_t parent, int output, int errors) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  dup2(output, STDOUT_FILENO);
  dup2(errors, STDERR_FILENO);
  for (const char* name : kThreadVariables) setenv(name, "1", 1);
  std::vector<char*> list;
  for (std::string& argument : arguments) list.push_back(argument.data());
  list.push_back(nullptr);
  execv("/proc/self/exe", list.data());
  _exit(1);
}

}  // namespace

Child::Child(const std::vector<std::string>& arguments) {
  const auto output = open_pipe(), errors = open_pipe();
  std::vector<std::string> whole = {"luna"};
  whole.insert(whole.end(), arguments.begin(), arguments.end());
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) become(std::move(whole), parent, output[1], errors[1]);
  close(output[1]);
  close(errors[1]);
  output_.descriptor = output[0];
  errors_.descriptor = errors[0];
  if (pid_ < 0) throw std::runtime_error(fmt::format("cannot start a cell: {}", strerror(errno)));
}

Child::~Child() {
  if (!status_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(output_.descriptor);
  close(errors_.descriptor);
}

void Child::Pipe::read() {
  char buffer[4096];
  ssize_t count;
  while ((count = ::read(descriptor, buffer, sizeof buffer)) > 0) pending.append(buffer, count);
  size_t end;
  while ((end = pending.find('\n')) != std::string::npos) {
    if (end > 0) last = pending.substr(0, end);
    pending.erase(0, end + 1);
  }
}

bool Child::poll() {
  int status = 0;
  if (!status_ && waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  output_.read();
  errors_.read();
  return status_.has_value();
}

std::string Child::failure() const {
  if (!status_ || *status_ == 0) return "";
  if (WIFSIGNALED(*status_)) {
    const int signal = WTERMSIG(*status_);
    return fmt::format("stopped by signal {} ({}){}", signal, strsignal(signal),
                       signal == SIGKILL ? "; out of memory? Try --jobs 1" : "");
  }
  return errors_.last.empty() ? fmt::format("exit code {}", WEXITSTATUS(*status_)) : errors_.last;
}

std::vector<int> Child::descriptors() const { return {output_.descriptor, errors_.descriptor}; }

void wait_for_any(const std::vector<const Child*>& children, int milliseconds) {
  std::vector<pollfd> list;
  for (const Child* child : children) {
    for (const int descriptor : child->descriptors()) list.push_back({descriptor, POLLIN, 0});
  }
  ::poll(list.data(), list.size(), milliseconds);
}

}  // namespace luna::experiments
