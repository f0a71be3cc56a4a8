#include "run_briefly.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

extern char** environ;

namespace gpuplace::cli {

namespace {

using clock = std::chrono::steady_clock;

struct child {
  pid_t pid = 0;
  int output = -1;
};

result<child> spawn(std::vector<std::string> const& command) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return error{errc::unavailable, std::strerror(errno), "pipe", {}};
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t settings;
  posix_spawnattr_init(&settings);
  posix_spawnattr_setflags(&settings, POSIX_SPAWN_SETPGROUP);  // what it starts ends with it
  std::vector<char*> words;
  for (auto const& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  child made{.pid = 0, .output = ends[0]};
  auto const failed = ::posix_spawnp(&made.pid, words[0], &files, &settings, words.data(), environ);
  posix_spawnattr_destroy(&settings);
  posix_spawn_file_actions_destroy(&files);
  ::close(ends[1]);
  if (failed == 0) return made;
  ::close(ends[0]);
  return error{failed == ENOENT ? errc::not_found : errc::unavailable, std::strerror(failed), command[0], {}};
}

// All that comes until the other end is closed; none where the time is over first.
std::optional<std::string> read_until(int output, clock::time_point end) {
  std::string text;
  for (;;) {
    auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(end - clock::now()).count();
    pollfd ready{output, POLLIN, 0};
    if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) == 0) return std::nullopt;
    std::array<char, 4096> buffer{};
    auto const count = ::read(output, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace

result<std::string> run_briefly(std::vector<std::string> const& command, std::chrono::milliseconds limit) {
  GPUPLACE_TRY(auto const running, spawn(command));
  auto const text = read_until(running.output, clock::now() + limit);
  ::close(running.output);
  if (!text) ::kill(-running.pid, SIGKILL);
  int status = 0;
  while (::waitpid(running.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!text) return error{errc::timed_out, "no answer within " + std::to_string(limit.count()) + " ms", command[0], {}};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) return error{errc::not_found, "no such program", command[0], {}};
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return error{errc::unavailable, "it failed", command[0], {}};
  return *text;
}

}  // namespace gpuplace::cli
