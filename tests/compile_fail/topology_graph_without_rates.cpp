// expected-error {{"topology_graph: write g[e]"}}
#include <boost/graph/adjacency_list.hpp>
#include <gpuplace/topology/graph.hpp>

// Links that are a mere number.
using near_miss = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS, gpuplace::topology::vertex, double>;
static_assert(gpuplace::topology::check_topology_graph<near_miss>());
