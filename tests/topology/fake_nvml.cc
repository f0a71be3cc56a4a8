// A made-up NVML for the tests of live discovery: one source, one library for each FAKE_MACHINE.
// The layouts are written down a second time here, after NVIDIA's reference, so that the tests would see a slip in the reader's.
#include <cstdio>
#include <cstring>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr int ok = 0, not_supported = 3, not_found = 6, insufficient_size = 7, lost = 15;
constexpr unsigned long long GiB = 1ULL << 30;

struct pci_info {
  char legacy[16];
  unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
  char id[32];
};
struct memory_info {
  unsigned long long total, free, used;
};
struct process_info {
  unsigned pid;
  unsigned long long used;
  unsigned gpu_instance, compute_instance;
};
struct utilization {
  unsigned gpu, memory;
};
struct attributes {
  unsigned multiprocessors, copy, decoder, encoder, jpeg, ofa, gpu_slices, compute_slices;
  unsigned long long memory_mib;
};

struct card {
  char const* name;
  char const* uuid;
  char const* pci;
  unsigned long long total, free;
  int numa;
  unsigned nvlinks;  // to switches, or spread over the other cards
  unsigned sm_mhz, memory_mhz, bus_bits, cores, lanes;
  int major, minor;
  bool mig, is_lost, mute;  // mute: supports nothing but name and memory
  unsigned pid;
  unsigned long long pid_used;
};

#if FAKE_MACHINE == 1  // two H100s on NVSwitches, the second in use
card cards[] = {{"NVIDIA H100 80GB HBM3", "GPU-11111111-0000-0000-0000-000000000000", "00000000:18:00.0", 80 * GiB, 79 * GiB, 0, 18,
                 1980, 2619, 5120, 16896, 16, 9, 0, false, false, false, 0, 0},
                {"NVIDIA H100 80GB HBM3", "GPU-22222222-0000-0000-0000-000000000000", "00000000:9A:00.0", 80 * GiB, 50 * GiB, 1, 18,
                 1980, 2619, 5120, 16896, 16, 9, 0, false, false, false, 4242, 29 * GiB}};
constexpr bool switched = true;
constexpr int between = 50;
#elif FAKE_MACHINE == 2  // a whole H100, and one in MIG mode
card cards[] = {{"NVIDIA H100 80GB HBM3", "GPU-11111111-0000-0000-0000-000000000000", "00000000:18:00.0", 80 * GiB, 79 * GiB, 0, 18,
                 1980, 2619, 5120, 16896, 16, 9, 0, false, false, false, 0, 0},
                {"NVIDIA H100 80GB HBM3", "GPU-22222222-0000-0000-0000-000000000000", "00000000:19:00.0", 80 * GiB, 79 * GiB, 0, 0,
                 1980, 2619, 5120, 16896, 16, 9, 0, true, false, false, 77, 2 * GiB}};
constexpr bool switched = true;
constexpr int between = 10;
#elif FAKE_MACHINE == 3  // one lost, one that answers next to nothing, one whose memory is taken by nobody to be seen
card cards[] = {{"NVIDIA L4", "GPU-11111111-0000-0000-0000-000000000000", "00000000:01:00.0", 23 * GiB, 3 * GiB, 0, 0, 2040, 6251,
                 192, 7424, 16, 8, 9, false, false, false, 0, 0},
                {"NVIDIA L4", "GPU-22222222-0000-0000-0000-000000000000", "00000000:02:00.0", 23 * GiB, 22 * GiB, 0, 0, 2040, 6251,
                 192, 7424, 16, 8, 9, false, true, false, 0, 0},
                {"NVIDIA L4", "GPU-33333333-0000-0000-0000-000000000000", "00000000:03:00.0", 23 * GiB, 22 * GiB, 0, 0, 2040, 6251,
                 192, 7424, 16, 8, 9, false, false, true, 0, 0}};
constexpr bool switched = false;
constexpr int between = 30;
#elif FAKE_MACHINE == 4  // cards that no table knows, the second faster; no peer access, the first in a slot of 4 lanes
card cards[] = {{"NVIDIA Imaginary 100", "GPU-11111111-0000-0000-0000-000000000000", "00000000:01:00.0", 12 * GiB, 12 * GiB, -1, 0,
                 1000, 7000, 192, 4000, 4, 8, 6, false, false, false, 0, 0},
                {"NVIDIA Imaginary 200", "GPU-22222222-0000-0000-0000-000000000000", "00000000:02:00.0", 24 * GiB, 24 * GiB, -1, 0,
                 2000, 10000, 384, 8000, 16, 8, 6, false, false, false, 0, 0}};
constexpr bool switched = false;
constexpr int between = 30;
#else                    // four A100s, four NVLinks between every two
#define FOUR(n, digit, bus, node)                                                                                                  \
  {                                                                                                                                \
    "NVIDIA A100-SXM4-80GB", "GPU-" digit digit digit digit "0000-0000-0000-0000-000000000000", bus, 80 * GiB, 79 * GiB, node, 12, \
        1410, 1593, 5120, 6912, 16, 8, 0, false, false, false, 0, 0                                                                \
  }
card cards[] = {FOUR(0, "1", "00000000:01:00.0", 0), FOUR(1, "2", "00000000:41:00.0", 0), FOUR(2, "3", "00000000:81:00.0", 1),
                FOUR(3, "4", "00000000:C1:00.0", 1)};
constexpr bool switched = false;
constexpr int between = 50;
#endif

constexpr unsigned count = sizeof cards / sizeof cards[0];

struct slice {
  char const* name;
  char const* uuid;
  unsigned gpu_instance, slices;
  unsigned long long total, free;
};
slice slices[] = {{"NVIDIA H100 80GB HBM3 MIG 3g.40gb", "MIG-aaaaaaaa-0000-0000-0000-000000000000", 1, 3, 40 * GiB, 38 * GiB},
                  {"NVIDIA H100 80GB HBM3 MIG 1g.10gb", "MIG-bbbbbbbb-0000-0000-0000-000000000000", 9, 1, 10 * GiB, 10 * GiB}};

card* whole(void* handle) {
  for (auto& c : cards)
    if (handle == &c) return &c;
  return nullptr;
}
slice* part(void* handle) {
  for (auto& s : slices)
    if (handle == &s) return &s;
  return nullptr;
}
int write(char const* text, char* to, unsigned size) {
  if (std::strlen(text) + 1 > size) return insufficient_size;
  std::strcpy(to, text);
  return ok;
}
int sessions = 0;
bool silent(void* handle) {
  auto const* c = whole(handle);
  return sessions != 1 || c == nullptr || c->mute;
}
int give(void* handle, unsigned card::* field, unsigned* to) {
  if (silent(handle)) return not_supported;
  *to = whole(handle)->*field;
  return ok;
}

}  // namespace

EXPORT int nvmlInit_v2() {
#if FAKE_MACHINE == 6
  return 18;
#elif FAKE_MACHINE == 7
  return 9;
#else
  ++sessions;
  return ok;
#endif
}
EXPORT int nvmlShutdown() { return --sessions, ok; }
EXPORT char const* nvmlErrorString(int code) {
  return code == lost ? "GPU is lost" : code == 18 ? "Driver/library version mismatch" : "Not Supported";
}
EXPORT int nvmlDeviceGetCount_v2(unsigned* n) { return *n = count, ok; }
EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned i, void** handle) { return *handle = &cards[i], ok; }
EXPORT int nvmlDeviceGetName(void* h, char* to, unsigned size) {
  return part(h) != nullptr ? write(part(h)->name, to, size) : write(whole(h)->name, to, size);
}
EXPORT int nvmlDeviceGetUUID(void* h, char* to, unsigned size) {
  return part(h) != nullptr ? write(part(h)->uuid, to, size) : silent(h) ? not_supported : write(whole(h)->uuid, to, size);
}
EXPORT int nvmlDeviceGetMemoryInfo(void* h, memory_info* to) {
  if (part(h) != nullptr) return *to = {part(h)->total, part(h)->free, part(h)->total - part(h)->free}, ok;
  if (whole(h)->is_lost) return lost;
  return *to = {whole(h)->total, whole(h)->free, whole(h)->total - whole(h)->free}, ok;
}
EXPORT int nvmlDeviceGetPciInfo_v3(void* h, pci_info* to) {
  if (silent(h)) return not_supported;
  return std::strcpy(to->id, whole(h)->pci), ok;
}
EXPORT int nvmlDeviceGetMemoryAffinity(void* h, unsigned words, unsigned long* to, int) {
  if (silent(h) || whole(h)->numa < 0) return not_supported;
  for (unsigned i = 0; i < words; ++i) to[i] = 0;
  return to[0] = 1UL << whole(h)->numa, ok;
}
EXPORT int nvmlDeviceGetCudaComputeCapability(void* h, int* major, int* minor) {
  if (silent(h)) return not_supported;
  return *major = whole(h)->major, *minor = whole(h)->minor, ok;
}
EXPORT int nvmlDeviceGetMaxPcieLinkGeneration(void* h, unsigned* to) { return silent(h) ? not_supported : (*to = 4, ok); }
EXPORT int nvmlDeviceGetMaxPcieLinkWidth(void* h, unsigned* to) { return give(h, &card::lanes, to); }
EXPORT int nvmlDeviceGetMemoryBusWidth(void* h, unsigned* to) { return give(h, &card::bus_bits, to); }
EXPORT int nvmlDeviceGetNumGpuCores(void* h, unsigned* to) { return give(h, &card::cores, to); }
EXPORT int nvmlDeviceGetMaxClockInfo(void* h, int clock, unsigned* to) {
  return give(h, clock == 1 ? &card::sm_mhz : &card::memory_mhz, to);
}
EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(void* h, unsigned* n, process_info* to) {
  if (silent(h)) return not_supported;
  if (whole(h)->pid == 0) return *n = 0, ok;
  if (to == nullptr || *n < 1) return *n = 1, insufficient_size;
  to[0] = {whole(h)->pid, whole(h)->pid_used, whole(h)->mig ? 1 : ~0U, whole(h)->mig ? 0 : ~0U};
  return *n = 1, ok;
}
EXPORT int nvmlDeviceGetNvLinkState(void* h, unsigned link, unsigned* active) {
  return silent(h) || link >= 18 ? not_supported : (*active = link < whole(h)->nvlinks, ok);
}
EXPORT int nvmlDeviceGetNvLinkRemoteDeviceType(void* h, unsigned, int* type) {
  return silent(h) ? not_supported : (*type = switched ? 2 : 0, ok);
}
EXPORT int nvmlDeviceGetNvLinkRemotePciInfo_v2(void* h, unsigned link, pci_info* to) {
  if (silent(h) || switched) return not_supported;
  auto const self = static_cast<unsigned>(whole(h) - cards);
  unsigned const other = link / 4 < self ? link / 4 : link / 4 + 1;  // four to each of the others
  return std::strcpy(to->id, cards[other % count].pci), ok;
}
EXPORT int nvmlDeviceGetTopologyCommonAncestor(void* a, void* b, int* level) {
  return silent(a) || silent(b) ? not_supported : (*level = between, ok);
}
EXPORT int nvmlDeviceGetP2PStatus(void* a, void* b, int, int* status) {
  return silent(a) || silent(b) ? not_supported : (*status = FAKE_MACHINE == 4 ? 2 : 0, ok);
}
EXPORT int nvmlDeviceGetMigMode(void* h, unsigned* current, unsigned* pending) {
  return silent(h) ? not_supported : (*current = *pending = whole(h)->mig, ok);
}
EXPORT int nvmlDeviceGetMaxMigDeviceCount(void* h, unsigned* n) { return silent(h) ? not_supported : (*n = 7, ok); }
EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(void*, unsigned i, void** to) {
  return i == 0 || i == 3 ? (*to = &slices[i / 3], ok) : not_found;
}
EXPORT int nvmlDeviceGetGpuInstanceId(void* h, unsigned* id) {
  return part(h) == nullptr ? not_supported : (*id = part(h)->gpu_instance, ok);
}
EXPORT int nvmlDeviceGetComputeInstanceId(void* h, unsigned* id) { return part(h) == nullptr ? not_supported : (*id = 0, ok); }
EXPORT int nvmlDeviceGetAttributes_v2(void* h, attributes* to) {
  if (part(h) == nullptr) return not_supported;
  *to = {16, 1, 0, 0, 0, 0, part(h)->slices, part(h)->slices, part(h)->total >> 20};
  return ok;
}
EXPORT int nvmlSystemGetDriverVersion(char* to, unsigned size) { return write("580.65.06", to, size); }
EXPORT int nvmlSystemGetCudaDriverVersion_v2(int* to) { return *to = 13000, ok; }
EXPORT int nvmlDeviceGetHandleByUUID(char const* uuid, void** handle) {
  for (auto& c : cards)
    if (std::strcmp(c.uuid, uuid) == 0) return *handle = &c, ok;
  for (auto& s : slices)
    if (std::strcmp(s.uuid, uuid) == 0) return *handle = &s, ok;
  return not_found;
}
EXPORT int nvmlDeviceGetHandleByPciBusId_v2(char const* pci, void** handle) {
  for (auto& c : cards)
    if (std::strcmp(c.pci, pci) == 0) return *handle = &c, ok;
  return not_found;
}
EXPORT int nvmlDeviceGetUtilizationRates(void* h, utilization* to) {
  if (silent(h)) return not_supported;
  return *to = {static_cast<unsigned>(whole(h) - cards) + 37, 12}, ok;
}
