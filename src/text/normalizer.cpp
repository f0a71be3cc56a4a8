#include "normalizer.hpp"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

namespace gpuplace::text {

result<normalizer> normalizer::read(json const& part) {
  normalizer made;
  if (part.is_null()) return made;
  auto const type = type_of(part);
  if (type == "Sequence") {
    for (auto const& child : list_member(part, "normalizers")) {
      GPUPLACE_TRY(auto const step, read(child));
      made.forms_.insert(made.forms_.end(), step.forms_.begin(), step.forms_.end());
    }
  } else if (type == "NFC") {
    made.forms_ = {form::nfc};
  } else if (type == "NFD") {
    made.forms_ = {form::nfd};
  } else if (type == "NFKC") {
    made.forms_ = {form::nfkc};
  } else if (type == "NFKD") {
    made.forms_ = {form::nfkd};
  } else {
    return unknown_part("normalizer", part);
  }
  return made;
}

std::string normalizer::apply(std::string_view text) const {
  std::string now(text);
  for (auto const f : forms_) {
    auto status = U_ZERO_ERROR;
    auto const* rules = f == form::nfc    ? icu::Normalizer2::getNFCInstance(status)
                        : f == form::nfd  ? icu::Normalizer2::getNFDInstance(status)
                        : f == form::nfkc ? icu::Normalizer2::getNFKCInstance(status)
                                          : icu::Normalizer2::getNFKDInstance(status);
    std::string out;
    icu::StringByteSink<std::string> sink(&out);
    if (U_SUCCESS(status)) rules->normalizeUTF8(0, {now.data(), static_cast<std::int32_t>(now.size())}, sink, nullptr, status);
    if (U_FAILURE(status)) throw failure(error{errc::invalid_argument, std::string("ICU: ") + u_errorName(status), "normalizer"});
    now = std::move(out);
  }
  return now;
}

}  // namespace gpuplace::text
