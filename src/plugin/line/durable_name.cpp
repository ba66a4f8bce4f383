#include "plugin/line/durable_name.hpp"

#include <array>
#include <cstdint>
#include <cstdio>

#include "busway/limits.hpp"

namespace busway::plugin_host_detail {
namespace {

bool stands_for_itself(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

void append_encoded(std::string& to, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : text) {
    if (stands_for_itself(c)) {
      to += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    to += '/';
    to += kDigits[byte >> 4U];
    to += kDigits[byte & 0xFU];
  }
}

/// FNV-1a: the same on all machines, and for all time.
std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t hash = 14'695'981'039'346'656'037U;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
  }
  return hash;
}

/// At most so long, and other texts stay others.
std::string shortened(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::array<char, 18> end{};
  (void)std::snprintf(end.data(), end.size(), ":%016llx",
                      static_cast<unsigned long long>(hash_of(text)));
  const std::string_view hash(end.data());
  text.resize(bytes_max - hash.size());
  return text.append(hash);
}

}  // namespace

std::string durable_name(std::string_view plugin, const std::vector<std::string>& patterns,
                         std::string_view subscription, std::size_t ordinal,
                         std::string_view instance) {
  std::string name = "plugin:";
  append_encoded(name, plugin);
  name += ':';
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    if (i != 0) name += "//";
    append_encoded(name, patterns[i]);
  }
  if (!subscription.empty()) {
    name += "::";
    append_encoded(name, subscription);
  }
  if (ordinal > 1) name.append(":").append(std::to_string(ordinal));
  std::string end;
  if (!instance.empty()) {
    end = "@";
    append_encoded(end, instance);
    end = shortened(std::move(end), limits::kDurableNameBytesMax / 2);
  }
  return shortened(std::move(name), limits::kDurableNameBytesMax - end.size()) + end;
}

}  // namespace busway::plugin_host_detail
