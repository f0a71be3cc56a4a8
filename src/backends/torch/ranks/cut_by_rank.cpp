#include "cut_by_rank.hpp"

#include <algorithm>
#include <string>

namespace gpuplace::torch_detail {

result<std::vector<ranked_segment>> cut_by_rank(std::shared_ptr<rank_group> const& group, replica const& placed,
                                                std::size_t number) {
  std::vector<ranked_segment> made;
  for (std::size_t i = 0; i < placed.stages.size(); ++i) {
    auto const rank = group->owner(placed.stages[i].device);
    if (made.empty() || made.back().rank != rank) {
      if (std::ranges::find(made, rank, &ranked_segment::rank) != made.end())
        return error{
            errc::unsupported,
            "the stages of replica " + std::to_string(number) + " leave rank " + std::to_string(rank) + " and come back to it",
            "stage on " + to_string(placed.stages[i].device), "plan so that the devices of one process follow each other"};
      made.push_back({rank, {.first = i, .count = 0, .before = {}, .after = {}}});
    }
    ++made.back().part.count;
  }
  for (std::size_t i = 1; i < made.size(); ++i) {
    auto const hop = made[i].part.first;
    made[i - 1].part.after = neighbour{group, made[i].rank, number, hop};
    made[i].part.before = neighbour{group, made[i - 1].rank, number, hop};
  }
  return made;
}

}  // namespace gpuplace::torch_detail
