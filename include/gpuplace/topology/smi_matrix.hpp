#pragma once
/// @file
/// Reads the matrix that `nvidia-smi topo -m` prints.

#include <charconv>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/gpu_models.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// What a text leaves open and its reader may know.
struct read_options {
  gpu_model const* model = nullptr;  ///< the card, where the text does not name it
  std::string name = "topology";     ///< of the file, for errors
};

namespace detail {

/// The text without terminal escape codes, line by line.
inline std::vector<std::string> plain_lines(std::string_view text) {
  std::vector<std::string> lines(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    char const c = text[i];
    if (c == '\x1b' && i + 1 < text.size() && text[i + 1] == '[') {
      i += 2;
      while (i < text.size() && (text[i] < '@' || text[i] > '~')) ++i;
    } else if (c == '\n') {
      lines.emplace_back();
    } else if (c != '\r') {
      lines.back() += c;
    }
  }
  return lines;
}

/// Words between tabs, or between runs of two blanks where a page has eaten the tabs; "CPU Affinity" is one word.
inline std::vector<std::string> cells(std::string_view line) {
  bool const tabs = line.find('\t') != line.npos;
  std::vector<std::string> words;
  for (std::size_t from = 0; from <= line.size();) {
    auto to = line.find(tabs ? "\t" : "  ", from);
    if (to == line.npos) to = line.size();
    auto const word = gpuplace::detail::trimmed(line.substr(from, to - from));
    if (tabs || !word.empty()) words.emplace_back(word);
    from = to + (tabs ? 1 : 2);
  }
  return words;
}

inline bool is_numbered(std::string_view word, std::string_view prefix) {
  return word.size() > prefix.size() && word.starts_with(prefix) &&
         word.substr(prefix.size()).find_first_not_of("0123456789") == word.npos;
}
inline bool is_gpu(std::string_view word) { return is_numbered(word, "GPU"); }
/// "NIC0" today; older drivers print the device, "mlx5_0".
inline bool is_nic(std::string_view word) {
  return is_numbered(word, "NIC") || (word.starts_with("mlx") && word.find('_') != word.npos);
}

/// "NV18", "PIX", "SOC" (the old name of SYS), "X": its kind and its NVLinks.
inline std::optional<std::pair<path_kind, int>> parse_cell(std::string_view cell) {
  if (cell == "X") return std::pair{path_kind::self, 0};
  if (cell == "SOC") return std::pair{path_kind::sys, 0};
  int links = 0;
  if (is_numbered(cell, "NV") && std::from_chars(cell.data() + 2, cell.data() + cell.size(), links).ec == std::errc{} &&
      links > 0 && links <= 1000)
    return std::pair{path_kind::nvlink, links};
  auto const kind = parse_path_kind(gpuplace::detail::lowered(cell));
  if (!kind || !is_pcie(*kind) || gpuplace::detail::lowered(cell) == cell) return std::nullopt;
  return std::pair{*kind, 0};
}

/// The matrix as it is written, checked: square, symmetric, every cell known.
struct smi_matrix {
  std::vector<std::string> names;
  std::vector<int> numa;
  std::vector<std::vector<std::pair<path_kind, int>>> cell;
};

inline result<smi_matrix> parse_smi_matrix(std::string_view text, std::string const& file) {
  auto const lines = plain_lines(text);
  std::size_t header = 0;
  std::vector<std::string> columns;
  for (; header < lines.size() && columns.empty(); ++header)
    if (auto words = cells(lines[header]); words.size() > 1 && words[0].empty() && is_gpu(words[1]))
      columns = std::move(words);
    else if (words = cells(lines[header]); !words.empty() && is_gpu(words[0]) && (words.size() < 2 || is_gpu(words[1])))
      columns = std::move(words), columns.insert(columns.begin(), std::string());
  auto const fail = [&](std::size_t line, std::string what, std::string remedy = "print the matrix again: nvidia-smi topo -m") {
    return error{errc::malformed, std::move(what), file + ":" + std::to_string(line), std::move(remedy)};
  };
  if (columns.empty()) return fail(1, "there is no line of GPU0, GPU1, … to begin the matrix");

  smi_matrix m;
  std::size_t count = 0;
  while (count + 1 < columns.size() && (is_gpu(columns[count + 1]) || is_nic(columns[count + 1]))) ++count;
  m.names.assign(columns.begin() + 1, columns.begin() + 1 + static_cast<std::ptrdiff_t>(count));
  for (std::size_t row = 0; row < count; ++row) {
    std::size_t const line = header + row;
    auto const words = line < lines.size() ? cells(lines[line]) : std::vector<std::string>{};
    auto const& name = m.names[row];
    if (words.empty() || words[0] != name)
      return fail(line + 1, "the row of " + name + " is missing" +
                                (words.empty() || words[0].empty() ? "" : ", '" + words[0] + "' stands there"));
    auto& cell = m.cell.emplace_back();
    for (std::size_t column = 0; column < count; ++column) {
      auto const place = "row " + name + ", column " + m.names[column];
      if (column + 1 >= words.size()) return fail(line + 1, place + " is missing");
      auto const parsed = parse_cell(words[column + 1]);
      if (!parsed || (parsed->first == path_kind::self) != (row == column))
        return fail(line + 1, place + ": '" + words[column + 1] + "' cannot stand there",
                    "a cell is X on the diagonal, and NV1, PIX, PXB, PHB, NODE or SYS elsewhere");
      if (column < row && m.cell[column][row] != *parsed)
        return fail(line + 1,
                    place + ": '" + words[column + 1] + "' differs from the cell of row " + m.names[column] + ", column " + name);
      cell.push_back(*parsed);
    }
    int numa = -1;  // the column may be absent, and hold "N/A" or a list
    for (std::size_t column = count + 1; column < std::min(columns.size(), words.size()); ++column)
      if (columns[column] == "NUMA Affinity")
        std::from_chars(words[column].data(), words[column].data() + words[column].size(), numa);
    m.numa.push_back(numa);
  }
  return m;
}

/// The smallest card that could print such a matrix.
inline gpu_model const& guessed_model(smi_matrix const& m) {
  int most = 0;
  for (auto const& row : m.cell)
    for (auto const& [kind, links] : row) most = std::max(most, links);
  return most >= 18   ? *find_gpu_model("h100")
         : most >= 12 ? *find_gpu_model("a100-40gb")
         : most > 0   ? *find_gpu_model("v100")
                      : unknown_gpu;
}

/// The NVLinks that every two GPUs have alike, where there are more in all than a card has: then switches join them. Else 0.
inline int switched_nvlinks(smi_matrix const& m, gpu_model const& model) {
  std::size_t gpus = 0;
  std::optional<std::pair<path_kind, int>> every;
  for (std::size_t i = 0; i < m.names.size(); ++i) {
    if (!is_gpu(m.names[i])) continue;
    ++gpus;
    for (std::size_t j = 0; j < i; ++j) {
      if (!is_gpu(m.names[j])) continue;
      if (m.cell[i][j].first != path_kind::nvlink || (every && *every != m.cell[i][j])) return 0;
      every = m.cell[i][j];
    }
  }
  bool const too_many = every && static_cast<std::size_t>(every->second) * (gpus - 1) > static_cast<std::size_t>(model.nvlinks);
  return gpus > 2 && too_many ? every->second : 0;
}

/// Links every two GPUs, or all of them to one NVSwitch.
inline void join_cards(graph& g, smi_matrix const& m, std::vector<graph::vertex_descriptor> const& at, gpu_model const& model) {
  int const switched = switched_nvlinks(m, model);
  auto const fabric = switched > 0 ? g.add(vertex_kind::nvswitch, "NVSwitch") : graph::null_vertex();
  for (std::size_t i = 0; i < at.size(); ++i) {
    if (!is_gpu(m.names[i])) continue;
    if (switched > 0) g.connect(at[i], fabric, part_of(default_link(path_kind::nvlink, model, switched), 2));
    for (std::size_t j = i + 1; j < at.size() && switched == 0; ++j)
      if (is_gpu(m.names[j])) g.connect(at[i], at[j], default_link(m.cell[i][j].first, model, m.cell[i][j].second));
  }
}

/// Hangs every network card on the GPU nearest to it, the first of several.
inline void join_nics(graph& g, smi_matrix const& m, std::vector<graph::vertex_descriptor> const& at, gpu_model const& model) {
  for (std::size_t i = 0; i < at.size(); ++i) {
    if (is_gpu(m.names[i])) continue;
    std::optional<std::size_t> nearest;
    for (std::size_t j = 0; j < at.size(); ++j)
      if (is_gpu(m.names[j]) && (!nearest || m.cell[i][j].first < m.cell[i][*nearest].first)) nearest = j;
    if (nearest) g.connect(at[i], at[*nearest], default_link(m.cell[i][*nearest].first, model));
  }
}

}  // namespace detail

/// True if `text` looks like the matrix of `nvidia-smi topo -m`, undamaged or not.
inline bool is_smi_matrix(std::string_view text) {
  for (auto const& line : detail::plain_lines(text.substr(0, 65536)))
    for (auto const& word : detail::cells(line))
      if (!word.empty()) return detail::is_gpu(word);
  return false;
}

/// The machine that `nvidia-smi topo -m` describes: every two GPUs joined by one link of the kind printed, or all by an
/// NVSwitch; a network card hangs on
/// the nearest GPU, because data between GPUs does not pass through it.
/// The text names no card: its memory and rates come from `options.model`, or from the smallest card that has so many NVLinks,
/// and then `device::note` says so. Columns of affinity may be absent; terminal escape codes and the legend are passed over.
/// Errors:     errc::malformed with the file, line, row and column of a cell that is missing, unknown or not symmetric
/// Complexity: O(n²) in GPUs and network cards, which is the size of the text
/// Source:     the legend that the program prints below its matrix
inline result<graph> read_smi_matrix(std::string_view text, read_options const& options = {}) {
  GPUPLACE_TRY(auto const m, detail::parse_smi_matrix(text, options.name));
  auto const& model = options.model != nullptr ? *options.model : detail::guessed_model(m);
  graph g;
  g.source = options.name;
  std::vector<graph::vertex_descriptor> at;
  for (std::size_t i = 0; i < m.names.size(); ++i) {
    if (!detail::is_gpu(m.names[i])) {
      at.push_back(g.add(vertex_kind::nic, m.names[i], {}, m.numa[i]));
      continue;
    }
    auto d = make_gpu(model, static_cast<int>(g.devices().size()), m.numa[i]);
    std::from_chars(m.names[i].data() + 3, m.names[i].data() + m.names[i].size(), d.physical_index);
    if (options.model == nullptr) d.note = "card guessed, the matrix does not name it; say which: FILE@h200";
    at.push_back(g.add(std::move(d)));
  }
  detail::join_cards(g, m, at, model);
  detail::join_nics(g, m, at, model);
  return g;
}

}  // namespace gpuplace::topology
