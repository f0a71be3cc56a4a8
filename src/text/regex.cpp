#include "regex.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <cstdint>
#include <optional>

namespace gpuplace::text {

namespace {
struct free_match_data {
  void operator()(pcre2_match_data* d) const { pcre2_match_data_free(d); }
};
struct free_match_context {
  void operator()(pcre2_match_context* c) const { pcre2_match_context_free(c); }
};

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<char const*>(text.data());
}

/// Oniguruma's meaning of an escape in PCRE2's words; nothing where both agree.
std::optional<std::string_view> translated_escape(char name, bool in_class) {
  switch (name) {
    case 's': return "\\p{White_Space}";
    case 'S': return "\\P{White_Space}";
    case 'w': return in_class ? "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}" : "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]";
    case 'h': return in_class ? "0-9a-fA-F" : "[0-9a-fA-F]";
    default: return std::nullopt;
  }
}

error not_shared(std::string_view part, std::string_view pattern) {
  return error{errc::unsupported,
               "'" + std::string(part) + "' in the regular expression " + std::string(pattern) + " is not known"};
}

result<std::string> translated(std::string_view pattern) {
  constexpr std::string_view other_meaning = "HWRXKgkbBGyYOMCc";
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    char const c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      char const name = pattern[++i];
      if (auto const words = translated_escape(name, in_class)) out += *words;
      else if (other_meaning.find(name) != other_meaning.npos) return not_shared(pattern.substr(i - 1, 2), pattern);
      else out += {c, name};
      continue;
    }
    if (in_class && (c == '[' || pattern.substr(i, 2) == "&&")) return not_shared(pattern.substr(i, 2), pattern);
    if (!in_class && i > 0 && pattern.substr(i, 4) == "(?i)") return not_shared("(?i)", pattern);
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    out += c;
  }
  return out;
}
}  // namespace

struct regex::code {
  pcre2_code* compiled = nullptr;
  code() = default;
  code(code const&) = delete;
  code& operator=(code const&) = delete;
  ~code() { pcre2_code_free(compiled); }
};

result<regex> regex::compile(std::string_view pattern) {
  GPUPLACE_TRY(auto const words, translated(pattern));
  auto made = std::make_shared<code>();
  int failed = 0;
  std::size_t at = 0;
  made->compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(words.data()), words.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NO_UTF_CHECK, &failed, &at, nullptr);
  if (made->compiled == nullptr)
    return error{errc::malformed, "the regular expression " + std::string(pattern) + " does not compile: " + message_of(failed)};
  pcre2_jit_compile(made->compiled, PCRE2_JIT_COMPLETE);
  return regex(std::move(made));
}

std::vector<span_of_text> regex::find_all(std::string_view text) const {
  std::unique_ptr<pcre2_match_data, free_match_data> const data(pcre2_match_data_create(1, nullptr));
  std::unique_ptr<pcre2_match_context, free_match_context> const limits(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(limits.get(), UINT32_MAX);
  std::vector<span_of_text> found;
  std::size_t at = 0;
  while (at <= text.size()) {
    auto const match = [&](std::uint32_t options) {
      return pcre2_match(code_->compiled, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, options, data.get(),
                         limits.get());
    };
    int outcome = match(PCRE2_NO_UTF_CHECK);
    if (outcome == PCRE2_ERROR_JIT_STACKLIMIT) outcome = match(PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);
    if (outcome == PCRE2_ERROR_NOMATCH) break;
    if (outcome < 0) throw failure(error{errc::invalid_argument, "matching a text failed: " + message_of(outcome), "regex"});
    auto const* ends = pcre2_get_ovector_pointer(data.get());
    found.push_back({ends[0], ends[1]});
    at = ends[1];
    if (ends[0] == ends[1]) {
      ++at;
      while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    }
  }
  return found;
}

}  // namespace gpuplace::text
