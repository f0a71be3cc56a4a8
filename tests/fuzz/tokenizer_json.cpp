// A tokenizer.json from strangers: it is refused in words, or it encodes and decodes any text.
#include <gpuplace/text/stream_decoder.hpp>
#include <gpuplace/text/tokenizer.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

void hold(bool holds) {
  if (!holds) std::abort();
}

constexpr std::string_view texts[] = {"", " ", "the device's 123 caf\xC3\xA9  <s>\n\n\xF0\x9F\x98\x80", "\xE2\x82 half \xFF"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace gpuplace;
  std::string const file(reinterpret_cast<char const*>(data), size);
  auto const read = text::tokenizer::parse(file);
  if (!read) return hold(!read.error().what.empty()), 0;
  for (auto const text : texts) try {
      auto const ids = read->encode(text);
      text::stream_decoder stream(*read);
      std::string joined;
      for (auto const id : ids) joined += stream.push(id);
      hold(joined + stream.finish() == read->decode(ids));
    } catch (failure const&) {  // rules that go too far
    }
  return 0;
}
