#pragma once
// Filters, tests, methods and operators: everything that sees values alone, no variables.

#include "value.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::text::jinja {

// Arguments of a call; reading one marks it, and `done` refuses those that nothing read.
class arguments {
public:
  values positional;
  std::vector<std::pair<std::string, value>> named;

  // The argument at this place or of this name, or null.
  value const* find(std::size_t place, std::string_view name) const;
  value get(std::size_t place, std::string_view name, value otherwise) const;
  value const& need(std::size_t place, std::string_view name, std::string const& of) const;
  // Refuses more than `most` arguments and names other than those given.
  void allow(std::size_t most, std::vector<std::string_view> const& names, std::string const& of) const;
};

value apply_filter(std::string const& name, value const& subject, arguments const& with, budget& work);
bool apply_test(std::string const& name, value const& subject, arguments const& with, budget& work);
value call_method(method_object const& method, arguments const& with, budget& work);

value binary(std::string const& op, value const& left, value const& right, budget& work);
bool compare(std::string const& op, value const& left, value const& right, budget& work);
value slice(value const& subject, value const* start, value const* stop, value const* step, budget& work);

// `subject.name` and `subject[key]` as Jinja resolves them.
value attribute_of(value const& subject, std::string const& name);
value item_of(value const& subject, value const& key, budget& work);

}  // namespace gpuplace::text::jinja
