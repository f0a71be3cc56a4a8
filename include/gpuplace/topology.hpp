#pragma once
/// @file
/// The whole room of topologies but its pictures: graph, paths, device groups, views, readers, printing. Pictures, which planning
/// does without, are in gpuplace/topology/dot.hpp.

#include <gpuplace/topology/best_paths.hpp>
#include <gpuplace/topology/concept.hpp>
#include <gpuplace/topology/cpu_slots.hpp>
#include <gpuplace/topology/device.hpp>
#include <gpuplace/topology/device_group.hpp>
#include <gpuplace/topology/gpu_models.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/host_facts.hpp>
#include <gpuplace/topology/host_regions.hpp>
#include <gpuplace/topology/hosts_file.hpp>
#include <gpuplace/topology/host_names.hpp>
#include <gpuplace/topology/hwloc_xml.hpp>
#include <gpuplace/topology/json.hpp>
#include <gpuplace/topology/link.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <gpuplace/topology/live.hpp>
#include <gpuplace/topology/live_facts.hpp>
#include <gpuplace/topology/nccl_xml.hpp>
#include <gpuplace/topology/network.hpp>
#include <gpuplace/topology/nvml.hpp>
#include <gpuplace/topology/path_table.hpp>
#include <gpuplace/topology/pci_facts.hpp>
#include <gpuplace/topology/pcie_tree.hpp>
#include <gpuplace/topology/presets.hpp>
#include <gpuplace/topology/print.hpp>
#include <gpuplace/topology/read.hpp>
#include <gpuplace/topology/read_options.hpp>
#include <gpuplace/topology/shared_library.hpp>
#include <gpuplace/topology/smi_matrix.hpp>
#include <gpuplace/topology/visible.hpp>
#include <gpuplace/topology/ways.hpp>
