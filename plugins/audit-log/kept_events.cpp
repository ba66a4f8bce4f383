#include "kept_events.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace audit_log {
namespace {

/// Empty when it is none.
std::string text_at(const nlohmann::json& line, const char* key) {
  const auto at = line.find(key);
  return at != line.end() && at->is_string() ? at->get<std::string>() : std::string();
}

}  // namespace

void KeptEvents::add(std::string_view line) {
  const nlohmann::json read = nlohmann::json::parse(line, nullptr, false);
  if (!read.is_object()) return;
  if (std::string id = text_at(read, "id"); !id.empty()) ++lines_[std::move(id)];
  if (const auto time = shared::parse_rfc3339(text_at(read, "time"))) {
    oldest_ = std::min(oldest_.value_or(*time), *time);
  }
}

bool KeptEvents::take(const std::string& id) {
  const auto at = lines_.find(id);
  if (at == lines_.end()) return false;
  if (--at->second == 0) lines_.erase(at);
  return true;
}

}  // namespace audit_log
