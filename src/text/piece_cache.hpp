#pragma once
/// @file
/// Ids of pieces that were seen before.

#include <gpuplace/core/token_id.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::text {

/// Short pieces with their ids, in shards; a shard that another thread holds is passed by rather than waited for.
/// Threads: safe on shared objects
class piece_cache {
public:
  /// Appends the ids of `piece` and returns true where they are known.
  bool find(std::string_view piece, std::vector<token_id>& out) {
    if (piece.size() > longest_piece) return false;
    auto& s = shard_of(piece);
    std::unique_lock const held(s.guard, std::try_to_lock);
    if (!held) return false;
    auto const found = s.known.find(piece);
    if (found == s.known.end()) return false;
    out.insert(out.end(), found->second.begin(), found->second.end());
    return true;
  }

  void keep(std::string_view piece, token_id const* first, token_id const* last) {
    if (piece.size() > longest_piece) return;
    auto& s = shard_of(piece);
    std::unique_lock const held(s.guard, std::try_to_lock);
    if (held && s.known.size() < most_pieces) s.known.try_emplace(std::string(piece), first, last);
  }

private:
  static constexpr std::size_t longest_piece = 64;
  static constexpr std::size_t most_pieces = 2048;  // in each shard

  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  struct shard {
    std::mutex guard;
    boost::unordered_flat_map<std::string, std::vector<token_id>, hash, std::equal_to<>> known;
  };
  shard& shard_of(std::string_view piece) { return shards_[(std::hash<std::string_view>{}(piece) >> 48) % shards_.size()]; }

  std::array<shard, 16> shards_;
};

}  // namespace gpuplace::text
