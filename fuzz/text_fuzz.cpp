// Text from outside: whatever the bytes are, what is shown is one line of valid UTF-8 without
// controls, and no read leaves the given bytes.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/escape.hpp"
#include "base/utf8.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_harmless(std::string_view shown) {
  for (const char c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return false;
  }
  return busway::find_invalid_utf8(shown) == std::string_view::npos;
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t limit = data[0];
  const std::string text(data + 1, data + size);

  require(is_harmless(busway::escape(text, limit)));
  require(is_harmless(busway::quote(text, limit)));
  require(is_harmless(busway::escape(text, text.size())));

  const std::size_t bad = busway::find_invalid_utf8(text);
  require(bad <= text.size() || bad == std::string_view::npos);
  if (bad < text.size()) {
    require(busway::find_invalid_utf8(std::string_view(text).substr(0, bad)) ==
            std::string_view::npos);
    require(busway::decode_utf8(std::string_view(text).substr(bad)).size == 0);
  }
  return 0;
}
