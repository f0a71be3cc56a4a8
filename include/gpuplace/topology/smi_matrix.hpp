#pragma once
/// @file
/// Reads the matrix that `nvidia-smi topo -m` prints.

#include <algorithm>
#include <charconv>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/gpu_models.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <gpuplace/topology/pcie_tree.hpp>
#include <gpuplace/topology/read_options.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::topology {

namespace detail {

/// The text line by line, without terminal escape codes, byte-order mark and carriage returns; odd blanks become plain ones.
inline std::vector<std::string> plain_lines(std::string_view text) {
  std::vector<std::string> lines(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    char const c = text[i];
    auto const rest = text.substr(i);
    if (c == '\x1b' && rest.size() > 1 && rest[1] == '[') {
      i += 2;
      while (i < text.size() && (text[i] < '@' || text[i] > '~')) ++i;
    } else if (c == '\x1b' && rest.size() > 2 && (rest[1] == '(' || rest[1] == ')')) {
      i += 2;
    } else if (rest.starts_with("\xef\xbb\xbf")) {
      i += 2;
    } else if (rest.starts_with("\xc2\xa0")) {
      lines.back() += ' ';
      ++i;
    } else if (c == '\n') {
      lines.emplace_back();
    } else if (c != '\r') {
      lines.back() += c == '|' || c == '\v' || c == '\f' ? ' ' : c;
    }
  }
  return lines;
}

/// What stands between tabs, empty where nothing does.
inline std::vector<std::string> between_tabs(std::string_view line) {
  std::vector<std::string> words;
  for (std::size_t from = 0; from <= line.size();) {
    auto const to = std::min(line.find('\t', from), line.size());
    words.emplace_back(gpuplace::detail::trimmed(line.substr(from, to - from)));
    from = to + 1;
  }
  return words;
}

/// Words between blanks of any kind.
inline std::vector<std::string> between_blanks(std::string_view line) {
  std::vector<std::string> words;
  for (std::size_t from = line.find_first_not_of(" \t"); from < line.size();) {
    auto const to = std::min(line.find_first_of(" \t", from), line.size());
    words.emplace_back(line.substr(from, to - from));
    from = line.find_first_not_of(" \t", to);
  }
  return words;
}

inline bool is_numbered(std::string_view word, std::string_view prefix) {
  return word.size() > prefix.size() && word.starts_with(prefix) &&
         word.substr(prefix.size()).find_first_not_of("0123456789") == word.npos;
}
inline bool is_gpu(std::string_view word) { return is_numbered(word, "GPU"); }

/// "NV18", "PIX", "X": its kind and its NVLinks. SOC is the old name of SYS, PSB of a bridge on the card itself.
inline std::optional<std::pair<path_kind, int>> parse_cell(std::string_view cell) {
  if (cell == "X") return std::pair{path_kind::self, 0};
  if (cell == "SOC") return std::pair{path_kind::sys, 0};
  if (cell == "PSB") return std::pair{path_kind::pix, 0};
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

/// What the lines of a matrix are: its rows' numbers, the names of its columns, and which column of affinity is the NUMA node's.
struct smi_layout {
  std::vector<std::size_t> rows;
  std::vector<std::string> names;
  std::optional<std::size_t> numa_column;
};

/// Finds header and rows. Without a header the rows' own names are the columns', since the matrix is square.
inline smi_layout find_layout(std::vector<std::string> const& lines) {
  smi_layout found;
  std::size_t header = lines.size(), first = lines.size();
  for (std::size_t i = 0; i < lines.size() && first == lines.size(); ++i) {
    auto const words = between_blanks(lines[i]);
    if (words.empty() || !is_gpu(words[0])) continue;
    bool const is_row = words.size() > 1 && !is_gpu(words[1]) && (parse_cell(words[1]) || header < lines.size());
    (is_row || header < lines.size() ? first : header) = i;
  }
  for (std::size_t i = header < lines.size() ? header + 1 : first; i < lines.size(); ++i)
    if (lines[i].find_first_not_of(" \t-:+") != std::string::npos) found.rows.push_back(i);
  if (header == lines.size()) {
    for (auto const i : found.rows) {
      auto const words = between_blanks(lines[i]);
      if (words.size() <= found.names.size() + 1 || words[found.names.size() + 1] != "X") break;
      found.names.push_back(words[0]);
    }
    return found;
  }
  auto const words = between_blanks(lines[header]);
  std::size_t at = 0;
  for (; at < words.size() && words[at] != "CPU" && words[at] != "NUMA" && words[at] != "GPU"; ++at)
    found.names.push_back(words[at]);
  for (std::size_t column = 0; at + 1 < words.size(); at += words[at] == "GPU" ? 3 : 2, ++column)
    if (words[at] == "NUMA") found.numa_column = column;
  return found;
}

/// One row's cells, or which of them is wrong and why.
struct smi_row {
  std::vector<std::pair<path_kind, int>> cells;
  std::size_t wrong = 0;
  std::string why;
};

inline smi_row parse_row(std::vector<std::string> const& words, std::size_t row, std::size_t count) {
  smi_row made;
  for (std::size_t column = 0; column < count; ++column) {
    made.wrong = column;
    if (column + 1 >= words.size() || words[column + 1].empty()) return made.why = " is missing", made;
    auto const parsed = parse_cell(words[column + 1]);
    if (!parsed || (parsed->first == path_kind::self) != (row == column))
      return made.why = ": '" + words[column + 1] + "' cannot stand there", made;
    made.cells.push_back(*parsed);
  }
  return made;
}

/// Far above any machine; a larger number is damage.
inline constexpr int most_numa_nodes = 65536;

/// The NUMA node at `at`, which may be missing, "N/A" or a list.
inline int parse_numa(std::vector<std::string> const& words, std::size_t at) {
  int numa = -1;
  if (at < words.size()) std::from_chars(words[at].data(), words[at].data() + words[at].size(), numa);
  return numa < 0 || numa > most_numa_nodes ? -1 : numa;
}

inline result<smi_matrix> parse_smi_matrix(std::string_view text, std::string const& file) {
  auto const lines = plain_lines(text);
  auto const layout = find_layout(lines);
  auto const fail = [&](std::size_t line, std::string what, std::string remedy = "print the matrix again: nvidia-smi topo -m") {
    return error{errc::malformed, std::move(what), file + ":" + std::to_string(line), std::move(remedy)};
  };
  if (layout.names.empty()) return fail(1, "there is no line of GPU0, GPU1, … to begin the matrix");

  smi_matrix m;
  m.names = layout.names;
  auto const count = m.names.size();
  for (std::size_t row = 0; row < count; ++row) {
    auto const& name = m.names[row];
    std::size_t const line = row < layout.rows.size() ? layout.rows[row] : lines.size() - 1;
    auto const loose = row < layout.rows.size() ? between_blanks(lines[line]) : std::vector<std::string>{};
    if (loose.empty() || loose[0] != name)
      return fail(line + 1, "the row of " + name + " is missing" + (loose.empty() ? "" : ", '" + loose[0] + "' stands there"));
    auto words = between_tabs(lines[line]);  // says exactly which cell is missing; but pages that show matrices often eat tabs
    auto parsed = parse_row(words, row, count);
    if (!parsed.why.empty())
      if (auto again = parse_row(loose, row, count); again.why.empty() || words.size() <= 2)
        parsed = std::move(again), words = loose;
    auto const place = [&](std::size_t column) { return "row " + name + ", column " + m.names[column]; };
    if (!parsed.why.empty())
      return fail(line + 1, place(parsed.wrong) + parsed.why,
                  "a cell is X on the diagonal, and NV1, PIX, PXB, PHB, NODE or SYS elsewhere");
    for (std::size_t column = 0; column < row; ++column)
      if (m.cell[column][row] != parsed.cells[column])
        return fail(line + 1, place(column) + ": '" + words[column + 1] + "' differs from the cell of row " + m.names[column] +
                                  ", column " + name);
    m.cell.push_back(std::move(parsed.cells));
    m.numa.push_back(layout.numa_column ? parse_numa(words, count + 1 + *layout.numa_column) : -1);
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

/// Joins GPUs by their NVLinks, and everything by the PCIe tree that the cells describe; where they describe none, every two GPUs
/// by a link of their own and a network card with the GPU nearest to it.
inline void join_matrix(graph& g, smi_matrix const& m, std::vector<graph::vertex_descriptor> const& at, gpu_model const& model) {
  int const switched = switched_nvlinks(m, model);
  auto const fabric = switched > 0 ? g.add(vertex_kind::nvswitch, "NVSwitch") : graph::null_vertex();
  pcie_relations between(at.size(), std::vector<path_kind>(at.size(), path_kind::none));
  for (std::size_t i = 0; i < at.size(); ++i) {
    if (switched > 0 && is_gpu(m.names[i])) g.connect(at[i], fabric, part_of(default_link(path_kind::nvlink, model, switched), 2));
    for (std::size_t j = 0; j < at.size(); ++j) {
      auto const& [kind, links] = m.cell[i][j];
      if (is_pcie(kind)) between[i][j] = kind;
      if (j < i && switched == 0 && kind == path_kind::nvlink) g.connect(at[j], at[i], default_link(kind, model, links));
    }
  }
  if (join_by_pcie(g, at, between, model)) return;
  for (std::size_t i = 0; i < at.size(); ++i) {
    std::optional<std::size_t> nearest;
    for (std::size_t j = 0; j < at.size(); ++j) {
      if (i == j || !is_gpu(m.names[j])) continue;
      if (is_gpu(m.names[i]) && j < i && is_pcie(m.cell[i][j].first))
        g.connect(at[j], at[i], default_link(m.cell[i][j].first, model));
      if (!nearest || m.cell[i][j].first < m.cell[i][*nearest].first) nearest = j;
    }
    if (!is_gpu(m.names[i]) && nearest) g.connect(at[i], at[*nearest], default_link(m.cell[i][*nearest].first, model));
  }
}

}  // namespace detail

/// True if `text` looks like the matrix of `nvidia-smi topo -m`, undamaged or not.
inline bool is_smi_matrix(std::string_view text) {
  for (auto const& line : detail::plain_lines(text.substr(0, 65536)))
    if (auto const words = detail::between_blanks(line); !words.empty() && detail::is_gpu(words[0])) return true;
  return false;
}

/// The machine that `nvidia-smi topo -m` describes: NVLinks between the GPUs, or from all of them to an NVSwitch where there are
/// more of them in all than a card has; PCIe switches, host bridges and NUMA nodes where the cells make a tree, else one link
/// for every two GPUs. Network cards are vertices of that tree.
/// The text names no card: its memory and rates come from `options.model`, or from the smallest card that has so many NVLinks,
/// and then `device::note` says so. Tabs may have become blanks; header and columns of affinity may be absent; terminal escape
/// codes, lines before the matrix and the legend are passed over; old words (SOC, PSB) are understood.
/// Errors:     errc::malformed with the file, line, row and column of a cell that is missing, unknown or not symmetric
/// Complexity: O(n³) in GPUs and network cards at worst
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
  detail::join_matrix(g, m, at, model);
  return g;
}

}  // namespace gpuplace::topology
