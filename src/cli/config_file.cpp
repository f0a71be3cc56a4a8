#include "config_file.hpp"

#include <gpuplace/core/edit_distance.hpp>
#include <gpuplace/model/json_file.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::cli {

namespace {

using nlohmann::json;

// Wrong usage, as a wrong option would be.
[[noreturn]] void refuse(error const& e) { throw CLI::ConfigError(e.message()); }

bool is_flag(CLI::Option const& option) { return option.get_items_expected_max() == 0; }

CLI::Option* option_of(CLI::App& command, std::string const& key) {
  auto* const option = key.empty() ? nullptr : command.get_option_no_throw("--" + key);
  return option && option->get_configurable() ? option : nullptr;
}

// Option groups are nameless subcommands of CLI11.
std::vector<CLI::App*> groups_of(CLI::App& command) {
  return command.get_subcommands([](CLI::App* a) { return a->get_name().empty(); });
}
std::vector<CLI::App*> commands_of(CLI::App& app) {
  return app.get_subcommands([](CLI::App* a) { return !a->get_name().empty(); });
}

std::vector<std::string> keys_of(CLI::App& command) {
  std::vector<std::string> keys;
  auto const take = [&](CLI::App& from) {
    for (auto* const option : from.get_options())
      if (option->get_configurable()) keys.insert(keys.end(), option->get_lnames().begin(), option->get_lnames().end());
  };
  take(command);
  for (auto* const group : groups_of(command)) take(*group);
  return keys;
}

[[noreturn]] void refuse_unknown(CLI::App& command, std::string const& key, std::string const& where) {
  for (auto* const other : commands_of(*command.get_parent()))
    if (other != &command && option_of(*other, key))
      refuse({errc::not_found,
              "'" + key + "' is no option of gpuplace " + command.get_name() + " but of gpuplace " + other->get_name(), where,
              "write it as  \"" + other->get_name() + "\": {\"" + key + "\": …}  for a file that both commands read"});
  auto const keys = keys_of(command);
  auto const nearest = detail::nearest_name(key, keys);
  refuse({errc::not_found, "gpuplace " + command.get_name() + " has no option '" + key + "'", where,
          (nearest.empty() ? "" : "did you mean '" + std::string(nearest) + "'? ") +
              "keys are the long names that --help lists, without dashes"});
}

std::string text_of(json const& value, std::string const& where) {
  if (value.is_null() || value.is_array())
    refuse({errc::invalid_argument, "is no value: " + value.dump(), where, "write a string, a number, true or false"});
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::vector<std::string> texts_of(json const& value, std::string const& where) {
  if (!value.is_array()) return {text_of(value, where)};
  std::vector<std::string> texts;
  for (auto const& one : value) texts.push_back(text_of(one, where));
  return texts;
}

// Puts the file's values to the options of one subcommand.
class reader {
public:
  reader(CLI::App& command, std::string file) : command_(command), file_(std::move(file)) {}

  // A command's own section goes before what is said to all.
  void take_all(json const& settings) {
    if (!settings.is_object()) refuse({errc::malformed, "is not a JSON object", file_, "write  {\"option\": value, …}"});
    json common = json::object();
    for (auto const& [key, value] : settings.items()) {
      auto* const section = value.is_object() ? section_of(key) : nullptr;
      if (!section) common[key] = value;
      else if (section == &command_) take(value);
      else check_names(*section, value);
    }
    take(common);
  }

private:
  CLI::App* section_of(std::string const& key) const {
    auto const all = commands_of(*command_.get_parent());
    auto const at = std::ranges::find(all, key, [](CLI::App* a) { return a->get_name(); });
    return at == all.end() ? nullptr : *at;
  }
  std::string where(std::string const& key) const { return file_ + ", " + key; }

  void check_names(CLI::App& other, json const& section) const {
    for (auto const& [key, value] : section.items())
      if (!option_of(other, key)) refuse_unknown(other, key, where(key));
  }

  void take(json const& settings) {
    std::set<CLI::Option const*> seen;
    for (auto const& [key, value] : settings.items()) {
      auto* const option = option_of(command_, key);
      if (!option) refuse_unknown(command_, key, where(key));
      if (!seen.insert(option).second)
        refuse({errc::invalid_argument, "names an option that the file sets by its other name too", where(key), "keep one"});
      if (option->count() == 0 && !another_was_chosen(*option)) put(*option, key, value);
    }
  }

  // One of a group's options stands on the command line where the file has another one.
  bool another_was_chosen(CLI::Option const& option) const {
    for (auto* const group : groups_of(command_)) {
      auto const all = group->get_options();
      if (group->get_require_option_max() == 1 && std::ranges::find(all, &option) != all.end())
        return std::ranges::any_of(all, [&](CLI::Option const* o) { return o->count() > 0 && !from_file_.contains(o); });
    }
    return false;
  }

  void put(CLI::Option& option, std::string const& key, json const& value) {
    if (is_flag(option) && !value.is_boolean())
      refuse({errc::invalid_argument, "is a flag, not " + value.dump(), where(key), "write true or false"});
    if (is_flag(option) && !value.get<bool>()) return;
    try {
      option.add_result(texts_of(value, where(key)));
      option.run_callback();
    } catch (CLI::ConfigError const&) {
      throw;
    } catch (CLI::ParseError const& e) {
      refuse({errc::invalid_argument, e.what(), where(key), {}});
    }
    from_file_.insert(&option);
  }

  CLI::App& command_;
  std::string file_;
  std::set<CLI::Option const*> from_file_;
};

}  // namespace

void add_config_option(CLI::App& command) {
  auto const load = [&command](std::string const& file) {
    auto const settings = read_json_file(file);
    if (!settings) refuse(settings.error());
    reader(command, file).take_all(*settings);
  };
  command
      .add_option_function<std::string>("--config", load,
                                        "Options from a JSON file, keys as here without dashes; the command line wins over it")
      ->configurable(false)
      ->type_name("FILE");
}

}  // namespace gpuplace::cli
