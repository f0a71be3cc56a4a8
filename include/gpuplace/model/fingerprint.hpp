#pragma once
/// @file
/// A model's identity as a short text that is the same on every machine.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <gpuplace/model/model_config.hpp>
#include <string>
#include <string_view>
#include <variant>

namespace gpuplace {

/// FNV-1a over 64 bits: stable across machines and versions, not meant against forgery.
class fnv1a {
public:
  constexpr fnv1a& add(std::string_view text) {
    for (char const c : text) mix(static_cast<unsigned char>(c));
    mix(0xff);  // no UTF-8 text holds it: "ab","c" differs from "a","bc"
    return *this;
  }
  constexpr fnv1a& add(std::int64_t number) {
    auto const bits = static_cast<std::uint64_t>(number);
    for (int shift = 0; shift < 64; shift += 8) mix(static_cast<unsigned char>(bits >> shift));
    return *this;
  }
  constexpr fnv1a& add(double number) { return add(std::bit_cast<std::int64_t>(number)); }

  constexpr std::uint64_t value() const { return hash_; }
  std::string hex() const {
    std::string text(16, '0');
    for (int digit = 0; digit < 16; ++digit)
      text[static_cast<std::size_t>(15 - digit)] = "0123456789abcdef"[(hash_ >> (4 * digit)) & 15];
    return text;
  }

private:
  constexpr void mix(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100000001b3u; }
  std::uint64_t hash_ = 0xcbf29ce484222325u;
};

namespace detail {

struct rope_hash {
  fnv1a& hash;
  void operator()(std::monostate) const {}
  void operator()(linear_rope const& r) const { hash.add("linear").add(r.factor); }
  void operator()(llama3_rope const& r) const {
    hash.add("llama3").add(r.factor).add(r.low_frequency_factor).add(r.high_frequency_factor).add(r.original_context);
  }
  void operator()(yarn_rope const& r) const {
    hash.add("yarn").add(r.factor).add(r.original_context).add(r.beta_fast).add(r.beta_slow).add(r.attention_factor);
    hash.add(std::int64_t{r.truncate});
  }
};

/// What only some families have is hashed only there, so that a new family changes no older model's identity.
inline void add_variations(model_config const& c, fnv1a& hash) {
  if (c.sliding_window > 0)
    for (std::int64_t layer = 0; layer < c.layers; ++layer) hash.add(std::int64_t{c.slides(layer)});
  if (c.local_rope) {
    hash.add("local").add(c.local_rope->theta);
    std::visit(rope_hash{hash}, c.local_rope->scaling);
  }
  if (c.experts > 0) hash.add("experts").add(c.experts).add(c.active_experts);
  if (c.gate != activation::silu) hash.add("gelu");
  if (c.output_norms || c.offset_norms || c.scaled_embedding)
    hash.add("gemma").add(std::int64_t{c.output_norms}).add(std::int64_t{c.offset_norms}).add(std::int64_t{c.scaled_embedding});
  for (auto const number : {c.query_scalar, c.attention_softcap, c.logit_softcap})
    if (number > 0) hash.add("scalar").add(number);
}

}  // namespace detail

/// Sixteen hexadecimal digits over what decides shapes and arithmetic. The checkpoint's number format, its context limit
/// and special tokens are left out: they differ between releases of one model that a plan serves alike.
inline std::string config_fingerprint(model_config const& c) {
  fnv1a hash;
  hash.add(to_string(c.family));
  for (auto const size : {c.hidden, c.layers, c.heads, c.kv_heads, c.head_dim, c.intermediate, c.vocabulary, c.sliding_window})
    hash.add(size);
  hash.add(std::int64_t{0});  // once the first sliding layer: kept so that older plans still name their models
  for (bool const flag : {c.tied_embeddings, c.qkv_bias, c.output_bias, c.mlp_bias, c.qk_norm}) hash.add(std::int64_t{flag});
  hash.add(c.rms_epsilon).add(c.rope.theta);
  std::visit(detail::rope_hash{hash}, c.rope.scaling);
  if (auto const& v = c.vision) {
    hash.add("vision");
    for (auto const size :
         {v->hidden, v->blocks, v->heads, v->intermediate, v->channels, v->patch, v->temporal_patch, v->spatial_merge})
      hash.add(size);
  }
  detail::add_variations(c, hash);
  return hash.hex();
}

/// Whether two fingerprints may be of one model. A fingerprint is `config` or `config-weights`: a plan made from a preset or
/// a config.json has the first part alone, and then that part decides.
constexpr bool same_model(std::string_view a, std::string_view b) {
  bool const both_have_weights = a.find('-') != a.npos && b.find('-') != b.npos;
  return both_have_weights ? a == b : a.substr(0, a.find('-')) == b.substr(0, b.find('-'));
}

}  // namespace gpuplace
