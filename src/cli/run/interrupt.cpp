#include "interrupt.hpp"

#include <csignal>
#include <fmt/core.h>

namespace gpuplace::cli {

interrupt::interrupt(boost::asio::io_context& loop) : signals_(loop, SIGINT, SIGTERM) {
  signals_.async_wait([this](boost::system::error_code why, int) {
    if (why) return;
    seen_ = true;
    signals_.clear();  // gives the signals back: the next one ends the program
    fmt::print(stderr, "\nending what is under way; once more ends at once\n");
    cancel();
  });
}

}  // namespace gpuplace::cli
