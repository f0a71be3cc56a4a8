// Where Gloo's headers are missing: one process alone.
#include "rank_group.hpp"

#include <stdexcept>

namespace gpuplace::torch_detail {
namespace {

[[noreturn]] void nobody() { throw std::logic_error("there is no other process"); }

}  // namespace

struct rank_group::state {};
rank_group::~rank_group() = default;

result<rank_group::met> rank_group::meet(world const&, plan const&, seconds) {
  return error{errc::unsupported, "this build carries a plan out by one process alone", "ranks",
               "install libgloo-dev and build again, or start it without torchrun, mpirun or srun"};
}
std::string rank_group::name_of(int) const { nobody(); }
void rank_group::send(int, int, std::span<std::byte const>) { nobody(); }
void rank_group::receive(int, int, std::span<std::byte>) { nobody(); }
void rank_group::post_message(int, int, std::vector<std::byte>) { nobody(); }
void rank_group::flush(int, int) { nobody(); }
std::vector<std::byte> rank_group::receive_message(int, int) { nobody(); }
void rank_group::stop_receiving(int, int) { nobody(); }
void rank_group::publish(std::string const&, std::string const&) { nobody(); }
result<std::string> rank_group::look_up(std::string const&, seconds) { nobody(); }

}  // namespace gpuplace::torch_detail
