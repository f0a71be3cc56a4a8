#pragma once
/// @file
/// The style of a plan's page, light and dark.

#include <cstddef>
#include <string>
#include <string_view>

namespace gpuplace::detail {

/// Colours of replicas: classes c0 to c7.
inline constexpr std::size_t page_colours = 8;

inline constexpr std::string_view page_style = R"(
:root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--text:#1c2430;--soft:#5d6878;--line:#c9d1db;--box:#eef1f5;
--weights:#3f5f8f;--kv:#3a9d8f;--work:#d99a2b;--pool:#a9d6cf;--free:#e4e8ed;--nv:#5b9a1c;--band:#dcefc8;--bandtext:#33560c;
--c0:#cfe3ff;--c1:#ffe1c2;--c2:#d3f2d6;--c3:#ead9fb;--c4:#ffd6dc;--c5:#d0f0ee;--c6:#f3ecc0;--c7:#e3e0dc;
--d0:#2f6fd0;--d1:#c46a12;--d2:#2b8a45;--d3:#7d48c2;--d4:#c8354d;--d5:#17837b;--d6:#8c7a10;--d7:#6f6860}
@media(prefers-color-scheme:dark){:root{--back:#12161c;--card:#1d232c;--text:#e6eaf0;--soft:#9aa6b6;--line:#3a4452;--box:#181d25;
--weights:#7fa3da;--kv:#4fbfae;--work:#e0ac4d;--pool:#2f5f5a;--free:#2b333f;--nv:#8fcf4a;--band:#2b3d18;--bandtext:#cdeca8;
--c0:#1f3a63;--c1:#5c3a17;--c2:#1d4a2a;--c3:#42295f;--c4:#5c2430;--c5:#144a47;--c6:#4a431a;--c7:#3d3a36;
--d0:#7fb0ff;--d1:#ffb066;--d2:#6fd48a;--d3:#c39bf5;--d4:#ff8a9b;--d5:#5fd3c9;--d6:#d9c758;--d7:#bdb6ad}}
*{box-sizing:border-box}body{margin:0 auto;padding:28px;max-width:1120px;background:var(--back);color:var(--text);
font:15px/1.45 system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:28px 0 8px}.soft{color:var(--soft)}
.tiles{display:flex;flex-wrap:wrap;gap:12px;margin:16px 0}.tile{background:var(--card);border:1px solid var(--line);
border-left:6px solid var(--line);border-radius:10px;padding:10px 16px;min-width:150px}.tile b{font-size:20px;display:block}
.tile span{color:var(--soft);font-size:13px;display:block}.legend{display:flex;flex-wrap:wrap;gap:6px 18px;font-size:13px;color:var(--soft)}
.key{display:inline-block;width:14px;height:11px;border-radius:3px;margin-right:6px}
svg{display:block;width:100%;height:auto;margin:4px 0 12px}svg text{fill:var(--text);font-size:13px}
svg .soft{fill:var(--soft);font-size:11px}svg .right{text-anchor:end}svg .name{font-weight:600;font-size:14px}svg .small{font-size:10.5px;text-anchor:middle}
.host{fill:none;stroke:var(--line);stroke-dasharray:5 4}.numa{fill:var(--box);stroke:var(--line)}
.card{fill:var(--card);stroke:var(--line)}.weights{fill:var(--weights);background:var(--weights)}.kv{fill:var(--kv);background:var(--kv)}
.work{fill:var(--work);background:var(--work)}.pool{fill:var(--pool);background:var(--pool)}.free{fill:var(--free);background:var(--free)}
.wire{fill:none;stroke:var(--nv)}.band{fill:var(--band);stroke:var(--nv)}svg .bandtext{font-weight:600;fill:var(--bandtext);text-anchor:middle}
.bandpaper{fill:var(--band)}svg .units{font-size:12px}.paper{fill:var(--back)}svg .wirename{fill:var(--nv);font-weight:600}.hop{fill:none;stroke-width:2.5}
pre{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px;overflow-x:auto;font-size:13px}
li{margin:4px 0})";

/// The rules of the colour classes.
inline std::string colour_rules() {
  std::string rules;
  for (std::size_t c = 0; c < page_colours; ++c) {
    auto const n = std::to_string(c);
    rules += ".c" + n + "{fill:var(--c" + n + ");background:var(--c" + n + ");border-left-color:var(--d" + n + ")}.d" + n +
             "{stroke:var(--d" + n + ")}.e" + n + "{fill:var(--d" + n + ")!important}\n";
  }
  return rules;
}

}  // namespace gpuplace::detail
