// A stored plan: what is read must survive a round trip and be drawn and printed without harm.
#include <gpuplace/plan.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const read = gpuplace::parse_plan(std::string_view(reinterpret_cast<char const*>(data), size));
  if (!read) return read.error().message().empty() ? std::abort(), 0 : 0;
  auto const again = gpuplace::parse_plan(gpuplace::to_json_text(*read, -1));
  if (!again || plan_hash(*again) != plan_hash(*read)) std::abort();
  (void)gpuplace::plan_text(*read);
  (void)gpuplace::to_dot(*read);
  (void)gpuplace::to_device_map(*read);
  return 0;
}
