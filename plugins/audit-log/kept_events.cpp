#include "kept_events.hpp"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "shared/audit_line.hpp"
#include "shared/sha256.hpp"

namespace audit_log {
namespace {

/// So many lines say where the part of the log begins that is known. Publishers that run side by
/// side are less out of order than half of them.
constexpr std::size_t kEarliestLines = 101;

/// Empty when it is none.
std::string text_at(const nlohmann::json& line, const char* key) {
  const auto at = line.find(key);
  return at != line.end() && at->is_string() ? at->get<std::string>() : std::string();
}

}  // namespace

void KeptEvents::add(std::string_view line) {
  const nlohmann::json read = nlohmann::json::parse(line, nullptr, false);
  if (!read.is_object()) return;
  const auto seq = read.find("seq");
  is_whole_ = seq != read.end() && seq->is_number_unsigned() && seq->get<std::uint64_t>() == 1;
  if (std::string id = text_at(read, "id"); !id.empty()) {
    lines_.emplace(std::move(id), shared::sha256(shared::fields_of_audit_line(line)));
  }
  if (const auto time = shared::parse_rfc3339(text_at(read, "time"))) stamps_.push_back(*time);
}

bool KeptEvents::take(const std::string& id, std::string_view record) {
  const auto [begin, end] = lines_.equal_range(id);
  if (begin == end) return false;
  const std::string sum = shared::sha256(record);
  const auto line = std::find_if(begin, end, [&](const auto& one) { return one.second == sum; });
  if (line == end) return false;
  lines_.erase(line);
  return true;
}

std::optional<shared::WallTime> KeptEvents::since() const {
  if (stamps_.empty()) return std::nullopt;
  if (is_whole_) return *std::min_element(stamps_.begin(), stamps_.end());
  const auto count = static_cast<std::ptrdiff_t>(std::min(stamps_.size(), kEarliestLines));
  std::vector<shared::WallTime> earliest(stamps_.end() - count, stamps_.end());
  const auto middle = earliest.begin() + count / 2;
  std::nth_element(earliest.begin(), middle, earliest.end());
  return *middle;
}

}  // namespace audit_log
