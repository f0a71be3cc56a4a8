#include "weight_upload.hpp"

#include "../mapped_pages.hpp"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

namespace gpuplace::torch_detail {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{4} << 20;

/// At most a buffer of one tensor.
struct part {
  upload const* of = nullptr;
  std::size_t first = 0, count = 0;  ///< numbers
};

std::vector<part> parts_of(std::vector<upload> const& what, std::size_t number_bytes) {
  std::vector<part> parts;
  for (auto const& u : what) {
    auto const all = static_cast<std::size_t>(u.from->elements()), most = buffer_bytes / number_bytes;
    for (std::size_t first = 0; first < all; first += most) parts.push_back({&u, first, std::min(most, all - first)});
  }
  return parts;
}

template <class To, class From>
void convert(std::byte const* from, std::byte* to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    From number;
    std::memcpy(&number, from + i * sizeof(From), sizeof(From));
    To const made(static_cast<float>(number));
    std::memcpy(to + i * sizeof(To), &made, sizeof(To));
  }
}

template <class To>
void convert_from(element_type type, std::byte const* from, std::byte* to, std::size_t count) {
  switch (type) {
    case element_type::f32: convert<To, float>(from, to, count); break;
    case element_type::bf16: convert<To, c10::BFloat16>(from, to, count); break;
    default: convert<To, c10::Half>(from, to, count); break;
  }
}

void stage(part const& p, dtype type, std::byte* to) {
  auto const& view = *p.of->from;
  auto const* const from = view.data.data() + p.first * static_cast<std::size_t>(element_size(view.type));
  fetch_pages({from, p.count * static_cast<std::size_t>(element_size(view.type))});
  bool const same =
      (view.type == element_type::f32 && type == dtype::fp32) || (view.type == element_type::bf16 && type == dtype::bf16);
  if (same) {
    std::memcpy(to, from, p.count * static_cast<std::size_t>(element_size(view.type)));
  } else if (type == dtype::fp32) {
    convert_from<float>(view.type, from, to, p.count);
  } else {
    convert_from<c10::BFloat16>(view.type, from, to, p.count);
  }
}

/// Two buffers in turn: one is filled while the other crosses.
void carry(std::vector<part> const& parts, std::atomic<std::size_t>& next, dtype type, std::size_t number_bytes, int device) {
  cuda::check(cudaSetDevice(device), "choosing the device");
  cuda::stream const on;
  cuda::pinned_memory const buffers[2] = {cuda::allocate_pinned(buffer_bytes), cuda::allocate_pinned(buffer_bytes)};
  cudaEvent_t free[2];
  for (auto& event : free) cuda::check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "loading weights");
  std::size_t turn = 0;
  for (std::size_t i; (i = next.fetch_add(1)) < parts.size(); turn ^= 1) {
    auto const& p = parts[i];
    cuda::check(cudaEventSynchronize(free[turn]), "loading weights");
    stage(p, type, buffers[turn].as());
    cuda::check(
        cudaMemcpyAsync(p.of->to + p.first * number_bytes, buffers[turn].as(), p.count * number_bytes, cudaMemcpyHostToDevice, on),
        "loading weights");
    cuda::check(cudaEventRecord(free[turn], on), "loading weights");
  }
  on.wait();
  for (auto const event : free) cudaEventDestroy(event);
}

}  // namespace

void upload_all(std::vector<upload> const& what, dtype type, int device) {
  auto const number_bytes = static_cast<std::size_t>(stored_bytes(1, type).count());
  auto const parts = parts_of(what, number_bytes);
  std::atomic<std::size_t> next{0};
  std::exception_ptr failed;
  std::mutex guard;
  auto const work = [&] {
    try {
      carry(parts, next, type, number_bytes, device);
    } catch (...) {
      next = parts.size();
      std::scoped_lock const lock(guard);
      failed = std::current_exception();
    }
  };
  auto const most = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 16);
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < std::min(most, parts.size()); ++i) threads.emplace_back(work);
  work();
  threads.clear();
  if (failed) std::rethrow_exception(failed);
}

}  // namespace gpuplace::torch_detail
