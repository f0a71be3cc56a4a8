#pragma once
/// @file
/// Reads and writes single safetensors files.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <gpuplace/core/result.hpp>
#include <gpuplace/model/json_file.hpp>
#include <gpuplace/weights/detail/mapped_file.hpp>
#include <gpuplace/weights/tensor_view.hpp>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace {

/// A safetensors file, mapped into memory: opening reads the header alone, and a tensor's pages come when touched.
/// Threads:    const calls are safe on shared objects
class safetensors_file {
public:
  std::filesystem::path const& path() const { return path_; }

  /// All tensors, in the order of their data in the file.
  std::span<tensor_view const> tensors() const { return tensors_; }

  /// The tensor called `name`, or null.
  tensor_view const* find(std::string_view name) const {
    auto const found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                        [this](std::size_t at, std::string_view wanted) { return tensors_[at].name < wanted; });
    return found != by_name_.end() && tensors_[*found].name == name ? &tensors_[*found] : nullptr;
  }

private:
  friend class safetensors_reader;
  safetensors_file() = default;

  std::filesystem::path path_;
  detail::mapped_file mapping_;
  std::vector<std::string> names_;  ///< what the views' names point into; never grows after opening
  std::vector<tensor_view> tensors_;
  std::vector<std::size_t> by_name_;
};

/// Checks a header before any number in it is believed.
class safetensors_reader {
public:
  explicit safetensors_reader(std::filesystem::path path) { file_.path_ = std::move(path); }

  result<safetensors_file> read() && {
    GPUPLACE_TRY(file_.mapping_, detail::mapped_file::open(file_.path_));
    GPUPLACE_TRY(auto const header, read_header());
    file_.names_.reserve(header.size());
    for (auto const& [name, entry] : header.items())
      if (name != "__metadata__") GPUPLACE_CHECK(add(name, entry));
    GPUPLACE_CHECK(check_layout());
    index_names();
    return std::move(file_);
  }

private:
  static constexpr std::size_t length_bytes = 8;
  static constexpr std::uint64_t longest_header = 100'000'000;  // the limit of the format's own library

  error refuse(std::string what) const {
    return {errc::malformed, std::move(what), file_.path_.string(), "the file is cut short or broken; fetch it again"};
  }
  error refuse_tensor(std::string_view name, std::string const& what) const {
    return refuse("tensor '" + std::string(name) + "' " + what);
  }
  error refuse_type(std::string_view name, std::string const& type) const {
    return {errc::unsupported, "tensor '" + std::string(name) + "' has the unknown dtype " + type, file_.path_.string(),
            "save it in a format that PyTorch computes with, such as BF16"};
  }

  result<nlohmann::json> read_header() {
    auto const all = file_.mapping_.data();
    if (all.size() < length_bytes) return refuse("is too short for a safetensors file");
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < length_bytes; ++i) length |= static_cast<std::uint64_t>(all[i]) << (8 * i);
    if (length > longest_header)
      return refuse("says that its header has " + std::to_string(length) + " bytes: not a safetensors file");
    if (length > all.size() - length_bytes) return refuse("ends inside its header of " + std::to_string(length) + " bytes");
    auto const text = all.subspan(length_bytes, static_cast<std::size_t>(length));
    data_ = all.subspan(length_bytes + static_cast<std::size_t>(length));
    GPUPLACE_TRY(auto header,
                 parse_json({reinterpret_cast<char const*>(text.data()), text.size()}, file_.path_.string() + " (header)"));
    if (!header.is_object()) return refuse("has a header that is not an object");
    return {boost::system::in_place_value, std::move(header)};
  }

  /// A list of numbers from zero up that fit 64 bits.
  static bool read_numbers(nlohmann::json const& entry, char const* key, std::vector<std::int64_t>& numbers) {
    auto const found = entry.find(key);
    if (found == entry.end() || !found->is_array()) return false;
    for (auto const& number : *found) {
      if (!number.is_number_integer() || number.get<std::int64_t>() < 0) return false;
      numbers.push_back(number.get<std::int64_t>());
    }
    return true;
  }

  static bool multiply(std::int64_t& product, std::int64_t factor) { return !__builtin_mul_overflow(product, factor, &product); }

  result<void> add(std::string const& name, nlohmann::json const& entry) {
    if (!entry.is_object()) return refuse_tensor(name, "has an entry that is not an object");
    auto const type_name = entry.find("dtype");
    if (type_name == entry.end() || !type_name->is_string()) return refuse_tensor(name, "has no 'dtype'");
    auto const type = parse_element_type(type_name->get_ref<std::string const&>());
    if (!type) return refuse_type(name, type_name->get<std::string>());
    tensor_view view;
    view.type = *type;
    if (!read_numbers(entry, "shape", view.shape)) return refuse_tensor(name, "has no sound 'shape'");
    std::vector<std::int64_t> offsets;
    if (!read_numbers(entry, "data_offsets", offsets) || offsets.size() != 2 || offsets[0] > offsets[1])
      return refuse_tensor(name, "has no sound 'data_offsets'");
    if (offsets[1] > static_cast<std::int64_t>(data_.size()))
      return refuse_tensor(name,
                           "ends at byte " + std::to_string(offsets[1]) + ", but the file holds " + std::to_string(data_.size()));
    std::int64_t size = element_size(view.type);
    bool const sane = std::all_of(view.shape.begin(), view.shape.end(), [&](std::int64_t n) { return multiply(size, n); });
    if (!sane || size != offsets[1] - offsets[0])
      return refuse_tensor(name, "has " + std::to_string(offsets[1] - offsets[0]) + " bytes, not those of " +
                                     std::string(to_string(view.type)) + ' ' + shape_text(view.shape));
    view.data = data_.subspan(static_cast<std::size_t>(offsets[0]), static_cast<std::size_t>(size));
    file_.names_.push_back(name);
    view.name = file_.names_.back();
    file_.tensors_.push_back(std::move(view));
    return {};
  }

  /// The format asks that tensors lie one after the other and fill the file.
  result<void> check_layout() {
    auto& tensors = file_.tensors_;
    std::stable_sort(tensors.begin(), tensors.end(), [](tensor_view const& a, tensor_view const& b) {
      return std::pair(a.data.data(), a.data.size()) < std::pair(b.data.data(), b.data.size());
    });
    auto const* expected = data_.data();
    for (auto const& tensor : tensors) {
      if (tensor.data.data() < expected) return refuse_tensor(tensor.name, "overlaps another one");
      if (tensor.data.data() > expected) return refuse_tensor(tensor.name, "has a gap before it");
      expected += tensor.data.size();
    }
    auto const rest = data_.data() + data_.size() - expected;
    if (rest != 0) return refuse("holds " + std::to_string(rest) + " bytes that belong to no tensor");
    return {};
  }

  void index_names() {
    for (std::size_t i = 0; i < file_.tensors_.size(); ++i) file_.by_name_.push_back(i);
    std::sort(file_.by_name_.begin(), file_.by_name_.end(),
              [this](std::size_t a, std::size_t b) { return file_.tensors_[a].name < file_.tensors_[b].name; });
  }

  safetensors_file file_;
  std::span<std::byte const> data_;
};

/// Opens a safetensors file and checks its header against its size.
/// Errors:     errc::not_found, errc::unreadable; errc::malformed (cut short, header that is no JSON, offsets outside the file,
///             sizes that are not shape times dtype, overlaps, gaps); errc::unsupported (an unknown dtype). All name file and
///             tensor
/// Complexity: O(size of the header); no tensor is read
/// Source:     the safetensors format
inline result<safetensors_file> open_safetensors(std::filesystem::path path) { return safetensors_reader(std::move(path)).read(); }

/// Writes tensors one after the other, in the order given, marked as PyTorch's for readers that ask.
/// Errors:     errc::invalid_argument (a view whose data is not its shape's); errc::unreadable (the file cannot be written)
inline result<void> write_safetensors(std::filesystem::path const& path, std::span<tensor_view const> tensors) {
  nlohmann::json header;
  header["__metadata__"]["format"] = "pt";
  std::size_t offset = 0;
  for (auto const& tensor : tensors) {
    std::int64_t size = element_size(tensor.type);
    for (auto const n : tensor.shape) size *= n;
    if (static_cast<std::int64_t>(tensor.data.size()) != size || header.contains(tensor.name))
      return error{errc::invalid_argument,
                   "tensor '" + std::string(tensor.name) + "' is there twice or its data is not its shape's",
                   path.string(),
                   {}};
    auto const end = offset + tensor.data.size();
    header[std::string(tensor.name)] = {
        {"dtype", to_string(tensor.type)}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  auto text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::array<char, 8> length{};
  for (std::size_t i = 0; i < length.size(); ++i) length[i] = static_cast<char>((text.size() >> (8 * i)) & 0xff);
  std::ofstream out(path, std::ios::binary);
  out.write(length.data(), length.size()) << text;
  for (auto const& tensor : tensors)
    out.write(reinterpret_cast<char const*>(tensor.data.data()), static_cast<std::streamsize>(tensor.data.size()));
  out.close();
  if (!out)
    return error{errc::unreadable, "cannot be written", path.string(), "check the folder's permissions and the room on the disk"};
  return {};
}

}  // namespace gpuplace
