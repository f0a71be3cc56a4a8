// expected-error {{"topology_graph: give it an integral vertex_descriptor"}}
#include <boost/graph/adjacency_list.hpp>
#include <gpuplace/topology/graph.hpp>

// Vertices in a list have pointers for descriptors.
using near_miss = boost::adjacency_list<boost::vecS, boost::listS, boost::undirectedS, gpuplace::topology::vertex, gpuplace::link>;
static_assert(gpuplace::topology::check_topology_graph<near_miss>());
