#pragma once
/// @file
/// What a page about a plan shows beside the plan itself: the machine it is for, and times. Plain data.

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace gpuplace {

/// Where a device stands in its machine.
struct pictured_device {
  int numa = -1;       ///< the NUMA node; -1 is unknown
  std::string behind;  ///< the PCIe switch that it hangs on; may be empty
};

/// A link straight from one device to another, by their places in the plan's list.
struct pictured_link {
  std::size_t a = 0, b = 0;
  std::string label;  ///< "NV2"
  int width = 1;      ///< bonded links
};

/// What joins all devices of a host at once: NVSwitches, or the same link between every two.
struct pictured_fabric {
  std::string host;
  std::string label;  ///< "NVSwitch · NV18 · 370 GB/s"
};

/// The machine of a plan, its devices in the plan's order.
struct pictured_machine {
  std::vector<pictured_device> devices;
  std::vector<pictured_link> links;
  std::vector<pictured_fabric> fabrics;
  std::function<std::string(std::size_t, std::size_t)> way;  ///< "PHB · 12.4 GB/s" between two devices; may be empty
};

/// Times of one replica's stages, and of the hops behind them with their link: "NV18", "11.9 us".
struct pictured_replica {
  struct hop {
    std::string link, time;
  };
  std::vector<std::string> stages;
  std::vector<hop> hops;
};

/// What a page shows beside the plan. All of it may be left out.
struct page_facts {
  pictured_machine machine{};
  std::vector<std::vector<pictured_replica>> times{};  ///< of each model's replicas
  std::string explanation{};                           ///< lines for people
};

}  // namespace gpuplace
