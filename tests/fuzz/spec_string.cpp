// Spec strings: whatever is read must be written so that it reads as the same, and the registries must refuse in words.
#include <gpuplace/plugin/builtin.hpp>
#include <gpuplace/plugin/spec.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static auto const allocations = gpuplace::builtin_allocations();
  static auto const routings = gpuplace::builtin_routings();
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  auto const read = gpuplace::parse_spec(text);
  if (!read) return read.error().message().empty() ? std::abort(), 0 : 0;
  auto const again = gpuplace::parse_spec(to_string(*read));
  if (to_string(*read).size() <= gpuplace::longest_spec && (!again || *again != *read)) std::abort();
  (void)read->inner(0);
  (void)read->number(0);
  (void)read->integers(0);
  if (auto const made = allocations.make(*read); !made && made.error().message().empty()) std::abort();
  if (auto const made = routings.make(*read); !made && made.error().message().empty()) std::abort();
  return 0;
}
