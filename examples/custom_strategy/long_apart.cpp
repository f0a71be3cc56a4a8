// Makes the router long_apart known to a program that is already built; its factory reads the setting from the spec:
//   gpuplace run --plugin liblong_apart.so --routing 'long_apart(2048)' --model DIR --prompts FILE --allocation 'data_parallel(4)'
#include "long_apart.hpp"

#include <gpuplace/plugin.hpp>

static gpuplace::result<gpuplace::any_routing> make_long_apart(gpuplace::spec const& asked) {
  GPUPLACE_CHECK(asked.allow(1));
  if (asked.arguments.empty()) return gpuplace::any_routing(long_apart{});
  GPUPLACE_TRY(auto const tokens, asked.integer(0, 1));
  return gpuplace::any_routing(long_apart{static_cast<std::size_t>(tokens)});
}

static gpuplace::result<void> add_strategies(gpuplace::registries& to) {
  return to.routings.add("long_apart", "long_apart(TOKENS)", "prompts of so many tokens to the last instance, 1024 without TOKENS",
                         make_long_apart);
}

extern "C" gpuplace::plugin_entry gpuplace_plugin() { return gpuplace::plugin_of<&add_strategies>(); }
