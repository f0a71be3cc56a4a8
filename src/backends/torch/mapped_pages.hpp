#pragma once
/// @file
/// Pages of a mapped checkpoint, brought in and given back.

#include <cstddef>
#include <cstdint>
#include <span>

#include <sys/mman.h>
#include <unistd.h>

namespace gpuplace::torch_detail {

/// Gives the pages that lie wholly within `data` back to the system; a later reader gets them from the file again.
inline void drop_pages(std::span<std::byte const> data) {
  auto const page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto const begin = (reinterpret_cast<std::uintptr_t>(data.data()) + page - 1) / page * page;
  auto const end = (reinterpret_cast<std::uintptr_t>(data.data()) + data.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

/// Brings mapped pages in, in the file's order and all at once: a fault for each would take longer than copying it. An older kernel
/// fetches them when they are touched.
inline void fetch_pages(std::span<std::byte const> data) {
  auto const page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto const begin = reinterpret_cast<std::uintptr_t>(data.data()) / page * page;
  auto const end = reinterpret_cast<std::uintptr_t>(data.data()) + data.size();
#ifdef MADV_POPULATE_READ
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ);
#else
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_WILLNEED);
#endif
}

}  // namespace gpuplace::torch_detail
