// expected-error {{"topology_graph: make it undirected"}}
#include <boost/graph/adjacency_list.hpp>
#include <gpuplace/topology/graph.hpp>

// Links that go one way only.
using near_miss = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, gpuplace::topology::vertex, gpuplace::link>;
static_assert(gpuplace::topology::check_topology_graph<near_miss>());
