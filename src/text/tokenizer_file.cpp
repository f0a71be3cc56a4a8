#include "tokenizer_file.hpp"

namespace gpuplace::text {

namespace {
/// Takes the members of model.vocab out of the parser's hands.
class vocab_reader {
public:
  explicit vocab_reader(tokenizer_file& file) : file_(file) {}

  bool operator()(int depth, json::parse_event_t event, json& now) {
    using what = json::parse_event_t;
    too_deep_ = too_deep_ || depth > deepest;
    if (too_deep_) return false;
    if (event == what::key && depth <= 3) return take_key(depth, now.get_ref<std::string const&>());
    if (!inside_vocab_) return true;
    if ((event == what::object_end || event == what::array_end) && depth == 2) inside_vocab_ = false;
    if (event == what::array_start && depth == 2) is_list_ = true;
    if (depth < 3) return true;
    return is_list_ ? take_pair(depth, event, now) : take_entry(event, now);
  }

  /// What is wrong with the file; empty where all is well.
  std::string problem() const {
    if (too_deep_) return "parts are nested too deeply";
    return wrong_.empty() ? "" : "model: the token '" + wrong_ + "' has no " + (is_list_ ? "score" : "integer as its id");
  }

private:
  bool take_key(int depth, std::string const& key) {
    if (depth == 1) inside_model_ = key == "model";
    if (depth == 2) inside_vocab_ = inside_model_ && key == "vocab";
    if (depth < 3 || !inside_vocab_) return true;
    key_ = key;
    return false;
  }
  bool take_entry(json::parse_event_t event, json& now) {
    bool const good = event == json::parse_event_t::value && now.is_number_integer();
    if (good) file_.tokens.emplace_back(std::move(key_), id_of(now));
    else if (wrong_.empty()) wrong_ = key_.empty() ? "?" : key_;
    return false;
  }
  /// ["▁the", -3.5]
  bool take_pair(int depth, json::parse_event_t event, json& now) {
    using what = json::parse_event_t;
    if (depth == 3 && event == what::array_end) {
      if (now.size() == 2 && now[0].is_string() && now[1].is_number()) {
        file_.tokens.emplace_back(std::move(now[0].get_ref<std::string&>()), static_cast<std::int64_t>(file_.tokens.size()));
        file_.scores.push_back(now[1].get<double>());
      } else if (wrong_.empty()) {
        wrong_ = std::to_string(file_.tokens.size());
      }
      return false;
    }
    if (depth == 3 && event != what::array_start && wrong_.empty()) wrong_ = std::to_string(file_.tokens.size());
    return true;
  }
  static std::int64_t id_of(json const& number) {
    return number.is_number_unsigned() && number.get<std::uint64_t>() > INT64_MAX ? -1 : number.get<std::int64_t>();
  }

  static constexpr int deepest = 32;
  tokenizer_file& file_;
  bool inside_model_ = false;
  bool inside_vocab_ = false;
  bool is_list_ = false;
  bool too_deep_ = false;
  std::string key_;
  std::string wrong_;
};
}  // namespace

result<tokenizer_file> tokenizer_file::parse(std::string_view text) {
  tokenizer_file file;
  vocab_reader reader(file);
  auto const take = [&](int depth, json::parse_event_t event, json& now) { return reader(depth, event, now); };
  file.parts = json::parse(text, take, false);
  if (auto const problem = reader.problem(); !problem.empty()) return error{errc::malformed, problem};
  if (file.parts.is_discarded() || !file.parts.is_object()) return error{errc::malformed, "not a JSON object"};
  return file;
}

}  // namespace gpuplace::text
