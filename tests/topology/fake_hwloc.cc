// A made-up hwloc: two sockets; on the first a PCIe switch with a GPU and a network card, on the second a GPU alone.
#include <cstdlib>
#include <cstring>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {
char const text[] = R"(<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0">
  <object type="Machine" os_index="0" nodeset="0x00000003">
    <object type="Package" os_index="0" nodeset="0x00000001">
      <object type="NUMANode" os_index="0" nodeset="0x00000001"/>
      <object type="Bridge" bridge_type="0-1" bridge_pci="0000:[15-2f]">
        <object type="Bridge" bridge_type="1-1" bridge_pci="0000:[16-19]" pci_busid="0000:15:01.0">
          <object type="Bridge" bridge_type="1-1" bridge_pci="0000:[18-18]" pci_busid="0000:17:00.0">
            <object type="PCIDev" pci_busid="0000:18:00.0" pci_type="0302 [10de:2330] [10de:16c1] a1"/>
          </object>
          <object type="Bridge" bridge_type="1-1" bridge_pci="0000:[19-19]" pci_busid="0000:17:01.0">
            <object type="PCIDev" pci_busid="0000:19:00.0" pci_type="0207 [15b3:1021] [15b3:0023] 00">
              <object type="OSDev" name="ib0" osdev_type="2"/>
              <object type="OSDev" name="mlx5_0" osdev_type="3"/>
            </object>
          </object>
        </object>
      </object>
    </object>
    <object type="Package" os_index="1" nodeset="0x00000002">
      <object type="NUMANode" os_index="1" nodeset="0x00000002"/>
      <object type="Bridge" bridge_type="0-1" bridge_pci="0000:[97-af]">
        <object type="Bridge" bridge_type="1-1" bridge_pci="0000:[9a-9a]" pci_busid="0000:97:01.0">
          <object type="PCIDev" pci_busid="0000:9a:00.0" pci_type="0302 [10de:2330] [10de:16c1] a1"/>
        </object>
      </object>
    </object>
  </object>
</topology>)";
}

EXPORT int hwloc_topology_init(void** tree) { return *tree = std::malloc(1), 0; }
EXPORT int hwloc_topology_set_io_types_filter(void*, int filter) { return filter == 3 ? 0 : -1; }
EXPORT int hwloc_topology_load(void*) { return 0; }
EXPORT int hwloc_topology_export_xmlbuffer(void*, char** to, int* length, unsigned long) {
  *to = static_cast<char*>(std::malloc(sizeof text));
  std::memcpy(*to, text, sizeof text);
  return *length = static_cast<int>(sizeof text), 0;
}
EXPORT void hwloc_free_xmlbuffer(void*, char* buffer) { std::free(buffer); }
EXPORT void hwloc_topology_destroy(void* tree) { std::free(tree); }
