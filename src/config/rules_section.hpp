// config/rules_section.hpp -- the keys that say how a plugin is run.
// Layer: config
//
// Model      One declaration for two places: an item of plugins: and a plugin's manifest include
//            it. What a plugin may publish and hear is the manifest's alone.
// Threads    [any-thread]
// Ownership  None.
// Errors     Besides a key's own: a soft deadline that is not before the hard one, a delay that is
//            longer than the longest.
// Cost       None by itself.
// Example    tests/config/rules_section_test.cpp
#pragma once

#include <cstdint>

#include "busway/plugin_rules.hpp"
#include "config/section.hpp"

namespace busway::config {

/// Fewer, and not even its libraries can be opened.
inline constexpr unsigned kPluginOpenFilesMin = 16;
inline constexpr std::uint64_t kPluginMemoryBytesMin = std::uint64_t{16} << 20U;

[[nodiscard]] const Section<PluginRules>& rules_section();

}  // namespace busway::config
