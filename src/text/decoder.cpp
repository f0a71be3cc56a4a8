#include "decoder.hpp"

#include "metaspace.hpp"

namespace gpuplace::text {

result<void> decoder::add_replace(json const& part) {
  GPUPLACE_TRY(auto pattern, read_pattern(part, "decoder 'Replace'"));
  if (fused_ && std::holds_alternative<regex>(pattern))
    return error{errc::unsupported, "decoder 'Replace' with a regular expression behind 'Fuse' is not known"};
  stages_.emplace_back(replace_stage{std::move(pattern), text_member(part, "content"), fused_});
  return {};
}

result<void> decoder::add_strip(json const& part) {
  auto const count = [&](char const* name) {
    auto const found = part.find(name);
    return found != part.end() && found->is_number_unsigned() ? found->get<std::size_t>() : std::size_t{0};
  };
  strip_stage stage{text_member(part, "content"), count("start"), count("stop"), fused_};
  std::size_t at = 0;
  if (!stage.content.empty()) unicode::next(stage.content, at);
  if (at == 0 || at != stage.content.size()) return error{errc::malformed, "decoder 'Strip': the content is not one character"};
  stages_.emplace_back(std::move(stage));
  return {};
}

result<void> decoder::add_metaspace(json const& part) {
  GPUPLACE_TRY(auto const settings, metaspace_settings::read(part, "decoder"));
  stages_.emplace_back(metaspace_stage{settings.replacement, settings.scheme != prepend_scheme::never, fused_});
  return {};
}

result<void> decoder::add(json const& part) {
  auto const type = type_of(part);
  if (type == "Replace") return add_replace(part);
  if (type == "Strip") return add_strip(part);
  if (type == "Metaspace") return add_metaspace(part);
  if (type == "ByteLevel") {
    stages_.emplace_back(byte_level_stage{!stages_.empty()});
    fused_ = true;
  } else if (type == "ByteFallback") {
    stages_.emplace_back(byte_fallback_stage{});
  } else if (type == "Fuse") {
    fused_ = true;
  } else if (type == "Sequence") {
    for (auto const& child : list_member(part, "decoders")) GPUPLACE_CHECK(add(child));
  } else {
    return unknown_part("decoder", part);
  }
  return {};
}

result<decoder> decoder::read(json const& part) {
  decoder made;
  if (part.is_null()) made.stages_.emplace_back(join_stage{});
  else GPUPLACE_CHECK(made.add(part));
  return made;
}

decoder decoder::of_sentencepiece(bool space_in_front) {
  decoder made;
  made.stages_ = {byte_repair_stage{}, space_piece_stage{space_in_front}};
  return made;
}

void decoding::push_at(std::size_t stage, std::string_view token, std::string& out) {
  if (stage == stages_.size()) {
    out += token;
    return;
  }
  std::visit([&](auto& s) { s.push(token, [&](std::string_view next) { push_at(stage + 1, next, out); }); }, stages_[stage]);
}

void decoding::finish(std::string& out) {
  for (std::size_t stage = 0; stage < stages_.size(); ++stage)
    std::visit([&](auto& s) { s.finish([&](std::string_view next) { push_at(stage + 1, next, out); }); }, stages_[stage]);
}

}  // namespace gpuplace::text
