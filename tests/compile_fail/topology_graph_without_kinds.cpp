// expected-error {{"topology_graph: write g[v].kind"}}
#include <boost/graph/adjacency_list.hpp>
#include <gpuplace/topology/graph.hpp>

// Vertices that do not say what they are.
using near_miss = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS, int, gpuplace::link>;
static_assert(gpuplace::topology::check_topology_graph<near_miss>());
