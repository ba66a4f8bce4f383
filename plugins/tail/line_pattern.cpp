#include "line_pattern.hpp"

#include <re2/re2.h>

#include <array>
#include <cstddef>
#include <span>
#include <utility>

namespace tail {
namespace {

/// The whole match, and the groups that a rule may have.
constexpr std::size_t kGroupsMax = 64;

std::unique_ptr<re2::RE2> compile(const std::string& regex) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_unique<re2::RE2>(regex, options);
  if (!compiled->ok()) {
    throw BadRule("regex", "a regular expression as RE2 reads it (" + compiled->error() + ")");
  }
  if (compiled->NumberOfCapturingGroups() >= static_cast<int>(kGroupsMax)) {
    throw BadRule("regex", "a regular expression of at most 63 groups");
  }
  return compiled;
}

TextTemplate make_template(const std::string& key, const std::string& text,
                           const std::map<std::string, int>& groups) {
  try {
    return TextTemplate(text, groups);
  } catch (const std::invalid_argument& error) {
    throw BadRule(key, error.what());
  }
}

}  // namespace

LinePattern::LinePattern(const LineRule& rule, Zone zone)
    : regex_(compile(rule.regex)), payload_(rule.payload), zone_(zone) {
  const std::map<std::string, int>& names = regex_->NamedCapturingGroups();
  for (const auto& [name, number] : names) {
    groups_.push_back({.name = name, .number = static_cast<std::size_t>(number)});
  }
  for (const auto& [name, word] : rule.types) {
    const std::optional<FieldType> type = parse_field_type(word);
    if (!names.contains(name)) {
      throw BadRule("types", "for each name a named group of the regex, (?P<" + name + ">...),");
    }
    if (!type) {
      throw BadRule("types",
                    "text, integer, number, boolean, syslog_time, rfc3339_time or epoch_time");
    }
    for (Group& group : groups_) {
      if (group.name == name) group.type = *type;
    }
  }
  topic_ = make_template("topic", rule.topic, names);
  user_id_ = make_template("user_id", rule.user_id, names);
  session_id_ = make_template("session_id", rule.session_id, names);
  key_ = make_template("key", rule.key, names);
}

LinePattern::LinePattern(LinePattern&&) noexcept = default;
LinePattern& LinePattern::operator=(LinePattern&&) noexcept = default;
LinePattern::~LinePattern() = default;

std::optional<ParsedLine> LinePattern::parse(std::string_view line, shared::WallTime now) const {
  std::array<re2::StringPiece, kGroupsMax> pieces;
  const int count = regex_->NumberOfCapturingGroups() + 1;
  const re2::StringPiece text(line.data(), line.size());
  if (!regex_->Match(text, 0, text.size(), re2::RE2::UNANCHORED, pieces.data(), count)) {
    return std::nullopt;
  }
  std::array<std::string_view, kGroupsMax> found;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    if (pieces[i].data() != nullptr) found[i] = {pieces[i].data(), pieces[i].size()};
  }
  const std::span<const std::string_view> all(found.data(), static_cast<std::size_t>(count));
  ParsedLine out{.topic = topic_.fill(all),
                 .payload = payload_,
                 .user_id = user_id_.fill(all),
                 .session_id = session_id_.fill(all),
                 .key = key_.fill(all)};
  for (const Group& group : groups_) {
    if (pieces[group.number].data() == nullptr) continue;
    if (auto value = convert(found[group.number], group.type, zone_, now)) {
      out.payload[group.name] = std::move(*value);
    } else {
      ++out.unconverted;
    }
  }
  return out;
}

}  // namespace tail
