// expected-error {{"topology_graph: write out_edges"}}
#include <gpuplace/topology/concept.hpp>

// Vertices with nothing to walk along.
struct near_miss {
  using vertex_descriptor = std::size_t;
  using edge_descriptor = int;
  using directed_category = boost::undirected_tag;
  struct label {
    gpuplace::topology::vertex_kind kind;
  };
  label operator[](std::size_t) const { return {}; }
  gpuplace::link operator[](int) const { return {}; }
};
std::size_t num_vertices(near_miss const&) { return 0; }
std::pair<std::size_t*, std::size_t*> vertices(near_miss const&) { return {}; }
static_assert(gpuplace::topology::check_topology_graph<near_miss>());
