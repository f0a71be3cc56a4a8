#pragma once
// The backends that this command was built with.

#include <gpuplace/plugin/any_backend.hpp>
#include <gpuplace/plugin/registry.hpp>

#include <boost/asio/io_context.hpp>

namespace gpuplace::cli {

// `torch` where it was built, and `simulated`, whose virtual clock runs on `loop`.
registry<any_backend> backends(boost::asio::io_context& loop);

}  // namespace gpuplace::cli
