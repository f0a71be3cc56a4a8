#pragma once
// The backends that this command knows.

#include <gpuplace/plugin/registries.hpp>

#include <boost/asio/io_context.hpp>

namespace gpuplace::cli {

// Those of plugins in `known`, `torch` where it was built, which is loaded when it is made, and `simulated`, whose virtual
// clock runs on `loop`.
result<registry<any_backend>> backends(registries const& known, boost::asio::io_context& loop);

}  // namespace gpuplace::cli
