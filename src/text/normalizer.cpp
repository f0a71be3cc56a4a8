#include "normalizer.hpp"

#include "growth.hpp"
#include "unicode.hpp"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

namespace gpuplace::text {

namespace {
icu::Normalizer2 const* rules_of(unicode_form form, UErrorCode& status) {
  switch (form) {
    case unicode_form::nfc: return icu::Normalizer2::getNFCInstance(status);
    case unicode_form::nfd: return icu::Normalizer2::getNFDInstance(status);
    case unicode_form::nfkc: return icu::Normalizer2::getNFKCInstance(status);
    case unicode_form::nfkd: break;
  }
  return icu::Normalizer2::getNFKDInstance(status);
}

struct applied_change {
  std::string_view text;

  std::string operator()(unicode_form form) const {
    auto status = U_ZERO_ERROR;
    auto const* rules = rules_of(form, status);
    std::string out;
    icu::StringByteSink<std::string> sink(&out);
    if (U_SUCCESS(status)) rules->normalizeUTF8(0, {text.data(), static_cast<std::int32_t>(text.size())}, sink, nullptr, status);
    if (U_FAILURE(status)) throw failure(error{errc::invalid_argument, std::string("ICU: ") + u_errorName(status), "normalizer"});
    return out;
  }
  std::string operator()(prepend_text const& step) const { return text.empty() ? std::string() : step.what + std::string(text); }
  std::string operator()(replace_text const& step) const { return replaced(step.pattern, step.content, text); }
  std::string operator()(lowercase_text) const { return unicode::lowercase(text); }
  std::string operator()(strip_text step) const {
    auto rest = text;
    while (step.left && !rest.empty()) {
      std::size_t at = 0;
      if (!unicode::is_white_space(unicode::next(rest, at))) break;
      rest.remove_prefix(at);
    }
    while (step.right && !rest.empty()) {
      auto at = rest.size();
      if (!unicode::is_white_space(unicode::previous(rest, at))) break;
      rest = rest.substr(0, at);
    }
    return std::string(rest);
  }
  std::string operator()(strip_accents) const {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      auto const begin = at;
      if (!unicode::is_nonspacing_mark(unicode::next(text, at))) out.append(text.substr(begin, at - begin));
    }
    return out;
  }
  std::string operator()(charsmap const& map) const { return map.apply(text); }
};
}  // namespace

result<void> normalizer::add(json const& part) {
  auto const type = type_of(part);
  if (type == "NFC") {
    steps_.emplace_back(unicode_form::nfc);
  } else if (type == "NFD") {
    steps_.emplace_back(unicode_form::nfd);
  } else if (type == "NFKC") {
    steps_.emplace_back(unicode_form::nfkc);
  } else if (type == "NFKD") {
    steps_.emplace_back(unicode_form::nfkd);
  } else if (type == "Prepend") {
    steps_.emplace_back(prepend_text{text_member(part, "prepend")});
  } else if (type == "Lowercase") {
    steps_.emplace_back(lowercase_text{});
  } else if (type == "Strip") {
    steps_.emplace_back(strip_text{flag(part, "strip_left", true), flag(part, "strip_right", true)});
  } else if (type == "StripAccents") {
    steps_.emplace_back(strip_accents{});
  } else if (type == "Replace") {
    GPUPLACE_TRY(auto pattern, read_pattern(part, "normalizer 'Replace'"));
    steps_.emplace_back(replace_text{std::move(pattern), text_member(part, "content")});
  } else if (type == "Precompiled") {
    GPUPLACE_TRY(auto map, charsmap::read(text_member(part, "precompiled_charsmap")));
    steps_.emplace_back(std::move(map));
  } else if (type == "Sequence") {
    for (auto const& child : list_member(part, "normalizers")) GPUPLACE_CHECK(add(child));
  } else {
    return unknown_part("normalizer", part);
  }
  return {};
}

result<normalizer> normalizer::read(json const& part) {
  normalizer made;
  if (!part.is_null()) GPUPLACE_CHECK(made.add(part));
  return made;
}

std::string normalizer::apply(std::string_view text) const {
  std::string now(text);
  for (auto const& step : steps_) {
    now = std::visit(applied_change{now}, step);
    limit_growth(text.size(), now.size());
  }
  return now;
}

}  // namespace gpuplace::text
