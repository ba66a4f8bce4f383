// tests/docs/snippets.hpp -- compares the code that a page shows with code that is compiled.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "markdown.hpp"

namespace busway::docs {

/// The regions of a source file between "// begin: NAME" and "// end: NAME", in a CMakeLists.txt
/// "# begin: NAME", without the indentation that all their lines share. Throws
/// std::runtime_error for a region that is never ended or has no name of its own.
[[nodiscard]] std::map<std::string, std::string> regions_of(std::string_view source);

/// What is wrong with a page whose blocks of C and C++, and those with a marker, must all be
/// regions, and all regions in it; a line a finding.
[[nodiscard]] std::vector<std::string> compare_with_regions(
    const Page& page, const std::map<std::string, std::string>& regions);

/// Whether the excerpt is made of runs of whole lines of the source, in their order; a line
/// "// ..." stands for what is left out between two runs. Returns the first line of the run that
/// does not fit, or nothing.
[[nodiscard]] std::string find_misfit(std::string_view excerpt, std::string_view source);

}  // namespace busway::docs
