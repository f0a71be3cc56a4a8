#pragma once
/// @file
/// CUDA's resources as values: memory, streams, graphs. They belong to the device that was current when they were made.

#include <cuda_runtime.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace gpuplace::cuda {

/// A call of the CUDA runtime that failed.
class failure : public std::runtime_error {
public:
  failure(cudaError_t code, std::string const& what) : std::runtime_error(what + ": " + cudaGetErrorString(code)), code_(code) {}
  cudaError_t code() const { return code_; }
  /// True where memory ran out: the device goes on.
  bool memory() const { return code_ == cudaErrorMemoryAllocation; }

private:
  cudaError_t code_;
};

inline void check(cudaError_t code, char const* what) {
  if (code == cudaSuccess) return;
  cudaGetLastError();  // an error that can be gone on from must not come up again at the next call
  throw failure(code, what);
}

/// GPUs that this process may use; 0 where there is no driver.
int device_count();

/// Makes a device current. What is put into a stream must be put there while its device is.
inline void use_device(int index) { check(cudaSetDevice(index), "choosing the device"); }

/// Makes a device current for as long as it lives.
class device_scope {
public:
  explicit device_scope(int index) {
    check(cudaGetDevice(&before_), "the current device");
    use_device(index);
  }
  device_scope(device_scope const&) = delete;
  ~device_scope() { cudaSetDevice(before_); }

private:
  int before_ = 0;
};

/// Memory of the device, or pinned memory of the host.
template <cudaError_t (*free_one)(void*)>
class memory {
public:
  memory() = default;
  memory(void* data, std::size_t size) : data_(data), size_(size) {}
  memory(memory&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  memory& operator=(memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~memory() {
    if (data_) free_one(data_);
  }
  template <class T = std::byte>
  T* as() const {
    return static_cast<T*>(data_);
  }
  std::size_t size() const { return size_; }

private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};
using device_memory = memory<cudaFree>;
using pinned_memory = memory<cudaFreeHost>;

/// Switches peer access between two devices on, both ways. False where they cannot reach each other, or NCCL_P2P_DISABLE=1 forbids it.
bool connect(int one, int other);

device_memory allocate(std::size_t bytes, char const* what);
pinned_memory allocate_pinned(std::size_t bytes);

class stream {
public:
  stream();
  stream(stream&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  stream& operator=(stream&& other) noexcept {
    std::swap(stream_, other.stream_);
    return *this;
  }
  ~stream();
  operator cudaStream_t() const { return stream_; }
  void wait() const { check(cudaStreamSynchronize(stream_), "waiting for the device"); }

private:
  cudaStream_t stream_ = nullptr;
};

/// A point in a stream that others wait for.
class event {
public:
  /// @param device  whose streams record it
  explicit event(int device);
  event(event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  event& operator=(event&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }
  ~event();
  void record(cudaStream_t on) const { check(cudaEventRecord(event_, on), "marking a step"); }
  /// What comes next into `on`, of any device, waits for what was recorded last.
  void hold(cudaStream_t on) const { check(cudaStreamWaitEvent(on, event_), "waiting for another device"); }
  void wait() const { check(cudaEventSynchronize(event_), "waiting for the device"); }

private:
  cudaEvent_t event_ = nullptr;
};

/// A recorded sequence of launches, to be repeated with the same arguments.
class graph {
public:
  graph() = default;
  graph(graph&& other) noexcept : made_(std::exchange(other.made_, nullptr)) {}
  graph& operator=(graph&& other) noexcept {
    std::swap(made_, other.made_);
    return *this;
  }
  ~graph();

  /// Records what `enqueue` puts into `on`.
  template <class F>
  static graph record(cudaStream_t on, F&& enqueue) {
    check(cudaStreamBeginCapture(on, cudaStreamCaptureModeThreadLocal), "recording a step");
    try {
      enqueue();
    } catch (...) {
      end_capture(on);
      throw;
    }
    return graph(end_capture(on));
  }

  explicit operator bool() const { return made_ != nullptr; }
  void launch(cudaStream_t on) const { check(cudaGraphLaunch(made_, on), "starting a step"); }

private:
  explicit graph(cudaGraph_t recorded);
  static cudaGraph_t end_capture(cudaStream_t on);
  cudaGraphExec_t made_ = nullptr;
};

/// Times what is in a stream between two calls.
class stopwatch {
public:
  stopwatch();
  stopwatch(stopwatch const&) = delete;
  ~stopwatch();
  void start(cudaStream_t on) const { check(cudaEventRecord(begin_, on), "starting a clock"); }
  /// Waits for the device. Milliseconds.
  float stop(cudaStream_t on) const;

private:
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

}  // namespace gpuplace::cuda
