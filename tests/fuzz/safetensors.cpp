// Feeds bytes to the reader of safetensors headers. What it accepts must be readable to the last byte and cover the file.
#include <gpuplace/weights/safetensors.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  int const memory = ::memfd_create("safetensors", MFD_CLOEXEC);
  if (memory < 0 || ::write(memory, data, size) != static_cast<::ssize_t>(size)) std::abort();
  {
    auto const file = gpuplace::open_safetensors("/proc/self/fd/" + std::to_string(memory));
    if (file) {
      unsigned sum = 0;
      std::size_t total = 0;
      for (auto const& tensor : file->tensors()) {
        for (auto const byte : tensor.data) sum += static_cast<unsigned>(byte);
        total += tensor.data.size();
        if (tensor.elements() * gpuplace::element_size(tensor.type) != static_cast<std::int64_t>(tensor.data.size())) std::abort();
        if (!file->find(tensor.name)) std::abort();
      }
      if (total > size || sum > 255 * size) std::abort();
    } else if (file.error().what.empty()) {
      std::abort();
    }
  }
  ::close(memory);
  return 0;
}
