#include "nccl_link.hpp"

#include <cstring>
#include <stdexcept>

#include <dlfcn.h>

namespace gpuplace::cuda {
namespace {

/// The little of NCCL's interface that is used here, which has been the same since NCCL 2.7.
using status = int;
struct unique_id {
  char bytes[128];
};
constexpr int bytes_type = 0;  ///< ncclInt8

struct library {
  void* handle = open();
  status (*get_id)(unique_id*) = load<status (*)(unique_id*)>("ncclGetUniqueId");
  status (*init)(void**, int, unique_id, int) = load<status (*)(void**, int, unique_id, int)>("ncclCommInitRank");
  status (*destroy)(void*) = load<status (*)(void*)>("ncclCommDestroy");
  status (*send)(void const*, std::size_t, int, int, void*,
                 cudaStream_t) = load<status (*)(void const*, std::size_t, int, int, void*, cudaStream_t)>("ncclSend");
  status (*receive)(void*, std::size_t, int, int, void*,
                    cudaStream_t) = load<status (*)(void*, std::size_t, int, int, void*, cudaStream_t)>("ncclRecv");
  char const* (*text)(status) = load<char const* (*)(status)>("ncclGetErrorString");

  static void* open() {
    if (auto* const found = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL)) return found;
    throw std::runtime_error(
        "libnccl.so.2 is not found: install it (pip install nvidia-nccl-cu13) and name its folder in LD_LIBRARY_PATH");
  }
  template <class F>
  F load(char const* name) {
    if (auto* const found = dlsym(handle, name)) return reinterpret_cast<F>(found);
    throw std::runtime_error(std::string("libnccl has no ") + name + ": it is older than 2.7");
  }
};

library const& lib() {
  static library const loaded;
  return loaded;
}

void check_nccl(status code, char const* what) {
  if (code != 0) throw std::runtime_error(std::string(what) + ": NCCL says: " + lib().text(code));
}

}  // namespace

std::string nccl_link::make_id() {
  unique_id id;
  check_nccl(lib().get_id(&id), "beginning a link");
  return {id.bytes, sizeof(id.bytes)};
}

nccl_link::nccl_link(std::string const& id, bool sends) {
  unique_id whole{};
  if (id.size() != sizeof(whole.bytes)) throw std::runtime_error("an NCCL link needs an id of 128 bytes");
  std::memcpy(whole.bytes, id.data(), id.size());
  check_nccl(lib().init(&made_, 2, whole, sends ? 0 : 1), "linking two processes");
}

nccl_link::~nccl_link() {
  if (made_) lib().destroy(made_);
}

void nccl_link::send(std::span<std::byte const> data, queue on) {
  check_nccl(lib().send(data.data(), data.size(), bytes_type, 1, made_, on), "sending activations");
}

void nccl_link::receive(std::span<std::byte> room, queue on) {
  check_nccl(lib().receive(room.data(), room.size(), bytes_type, 0, made_, on), "receiving activations");
}

}  // namespace gpuplace::cuda
