#include "tokenizer_file.hpp"

namespace gpuplace::text {

namespace {
/// Takes the members of model.vocab out of the parser's hands.
class vocab_reader {
public:
  explicit vocab_reader(tokenizer_file& file) : file_(file) {}

  bool operator()(int depth, json::parse_event_t event, json& now) {
    using what = json::parse_event_t;
    if (event == what::key) return take_key(depth, now.get_ref<std::string const&>());
    if (!inside_vocab_) return true;
    if (event == what::object_end && depth == 2) inside_vocab_ = false;
    if (depth < 3) return true;
    if (event != what::value || !now.is_number_integer()) wrong_ = wrong_.empty() ? key_ : wrong_;
    if (event == what::value && now.is_number_integer()) file_.tokens.emplace_back(std::move(key_), id_of(now));
    return false;
  }

  std::string const& wrong() const { return wrong_; }

private:
  bool take_key(int depth, std::string const& key) {
    if (depth == 1) inside_model_ = key == "model";
    if (depth == 2) inside_vocab_ = inside_model_ && key == "vocab";
    if (depth < 3 || !inside_vocab_) return true;
    key_ = key;
    return false;
  }
  static std::int64_t id_of(json const& number) {
    return number.is_number_unsigned() && number.get<std::uint64_t>() > INT64_MAX ? -1 : number.get<std::int64_t>();
  }

  tokenizer_file& file_;
  bool inside_model_ = false;
  bool inside_vocab_ = false;
  std::string key_;
  std::string wrong_;
};
}  // namespace

result<tokenizer_file> tokenizer_file::parse(std::string_view text) {
  tokenizer_file file;
  vocab_reader reader(file);
  auto const take = [&](int depth, json::parse_event_t event, json& now) { return reader(depth, event, now); };
  file.parts = json::parse(text, take, false);
  if (file.parts.is_discarded() || !file.parts.is_object()) return error{errc::malformed, "not a JSON object"};
  if (!reader.wrong().empty()) return error{errc::malformed, "model: the id of the token '" + reader.wrong() + "' is not an integer"};
  return file;
}

}  // namespace gpuplace::text
