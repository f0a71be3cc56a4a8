// A message between ranks, cut off or from another build: it is refused in words, or it is what its own encoding says.
#include "../../src/backends/torch/ranks/step_messages.cpp"

#include <cstdlib>

namespace {

void hold(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace gpuplace::torch_detail;
  std::span const message(reinterpret_cast<std::byte const*>(data), size);
  if (auto const order = decode_order(message); !order) hold(!order.error().what.empty());
  else if (auto const* step = std::get_if<owned_batch>(&*order)) hold(encode_step(step->work).size() == size);
  else if (auto const* fork = std::get_if<fork_order>(&*order))
    hold(encode_fork(fork->from, fork->to, fork->from_pages, fork->to_pages).size() == size);
  if (auto const answer = decode_answer(message)) hold(encode_answer(answer).size() == size);
  return 0;
}
