#include "tests/support/predict/side_by_side.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <map>
#include <stdexcept>
#include <vector>

namespace luna::test {
namespace {

constexpr size_t kMostBytes = 64 * 1024;

struct Header {
  size_t index;
  bool failed;
};

/// Ends them where one has failed.
struct Processes {
  std::vector<pid_t> ids;
  ~Processes() {
    for (const pid_t id : ids) kill(id, SIGTERM);
    for (const pid_t id : ids) waitpid(id, nullptr, 0);
  }
};

/// One message.
bool tell(int socket, const Header& header, const std::string& text) {
  std::string message(reinterpret_cast<const char*>(&header), sizeof header);
  message += text.substr(0, kMostBytes - sizeof header);
  return send(socket, message.data(), message.size(), MSG_NOSIGNAL) >= 0;
}

void work(int tickets, int socket, const std::function<std::string(size_t)>& make) {
  for (size_t i; read(tickets, &i, sizeof i) == sizeof i;) {
    try {
      if (!tell(socket, {i, false}, make(i))) return;
    } catch (const std::exception& error) {
      tell(socket, {i, true}, error.what());
      return;
    }
  }
}

}  // namespace

void make_in_order(size_t count, int processes, const std::function<std::string(size_t)>& make,
                   const std::function<void(size_t, const std::string&)>& use) {
  int tickets[2], ends[2];
  if (pipe(tickets) != 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) {
    throw std::runtime_error("no pipe could be made");
  }
  for (size_t i = 0; i < count; ++i) {
    if (write(tickets[1], &i, sizeof i) < 0) throw std::runtime_error("a pipe does not take more");
  }
  close(tickets[1]);
  Processes workers;
  for (int p = 0; p < processes; ++p) {
    const pid_t id = fork();
    if (id < 0) throw std::runtime_error("no process could be started");
    if (id == 0) {
      close(ends[0]);
      work(tickets[0], ends[1], make);
      _exit(0);
    }
    workers.ids.push_back(id);
  }
  close(tickets[0]);
  close(ends[1]);
  std::map<size_t, std::string> waiting;
  std::string message(kMostBytes, '\0');
  for (size_t next = 0; next < count;) {
    const ssize_t bytes = recv(ends[0], message.data(), message.size(), 0);
    if (bytes <= 0) throw std::runtime_error("a process ended before its work");
    Header header;
    message.copy(reinterpret_cast<char*>(&header), sizeof header);
    const std::string text = message.substr(sizeof header, bytes - sizeof header);
    if (header.failed) throw std::runtime_error(text);
    waiting[header.index] = text;
    for (auto first = waiting.find(next); first != waiting.end(); first = waiting.find(++next)) {
      use(next, first->second);
      waiting.erase(first);
    }
  }
  close(ends[0]);
}

}  // namespace luna::test
