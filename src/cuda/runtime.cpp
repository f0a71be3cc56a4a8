#include "runtime.hpp"

#include <cstdlib>
#include <string_view>

namespace gpuplace::cuda {

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();
  return 0;
}

namespace {

/// Switches the current device's access to `peer` on.
bool reach(int self, int peer) {
  int can = 0;
  check(cudaDeviceCanAccessPeer(&can, self, peer), "asking for peer access");
  if (can == 0) return false;
  auto const code = cudaDeviceEnablePeerAccess(peer, 0);
  if (code == cudaErrorPeerAccessAlreadyEnabled) cudaGetLastError();
  else check(code, "switching peer access on");
  return true;
}

}  // namespace

bool connect(int one, int other) {
  if (one == other) return true;
  if (auto const* const off = std::getenv("NCCL_P2P_DISABLE"); off && std::string_view(off) == "1") return false;
  bool both = true;
  for (auto const& [self, peer] : {std::pair(one, other), std::pair(other, one)}) {
    device_scope const here(self);
    both = reach(self, peer) && both;
  }
  return both;
}

device_memory allocate(std::size_t bytes, char const* what) {
  void* data = nullptr;
  check(cudaMalloc(&data, bytes ? bytes : 1), what);
  return {data, bytes};
}

pinned_memory allocate_pinned(std::size_t bytes) {
  void* data = nullptr;
  check(cudaMallocHost(&data, bytes ? bytes : 1), "reserving pinned host memory");
  return {data, bytes};
}

stream::stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream"); }
stream::~stream() {
  if (stream_) cudaStreamDestroy(stream_);
}

event::event(int device) {
  device_scope const here(device);
  check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "making an event");
}
event::~event() {
  if (event_) cudaEventDestroy(event_);
}

stopwatch::stopwatch() {
  check(cudaEventCreate(&begin_), "making a clock");
  check(cudaEventCreate(&end_), "making a clock");
}
stopwatch::~stopwatch() {
  cudaEventDestroy(begin_);
  cudaEventDestroy(end_);
}
float stopwatch::stop(cudaStream_t on) const {
  check(cudaEventRecord(end_, on), "stopping a clock");
  check(cudaEventSynchronize(end_), "waiting for the device");
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, begin_, end_), "reading a clock");
  return milliseconds;
}

graph::graph(cudaGraph_t recorded) {
  auto const failed = cudaGraphInstantiate(&made_, recorded, 0);
  cudaGraphDestroy(recorded);
  check(failed, "preparing a recorded step");
}
graph::~graph() {
  if (made_) cudaGraphExecDestroy(made_);
}

cudaGraph_t graph::end_capture(cudaStream_t on) {
  cudaGraph_t recorded = nullptr;
  check(cudaStreamEndCapture(on, &recorded), "recording a step");
  return recorded;
}

}  // namespace gpuplace::cuda
