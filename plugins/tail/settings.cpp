#include "settings.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "open_file.hpp"
#include "shared/settings_reader.hpp"

namespace tail {
namespace {

using namespace std::chrono_literals;

/// Nothing when a key that is wanted is missing: `in` refuses the line then, and what the other
/// keys say is not to blame.
std::optional<LinePattern> read_line(shared::SettingsReader& in, Zone zone) {
  LineRule rule;
  rule.regex = in.text("regex");
  rule.topic = in.text("topic");
  rule.types = in.named_texts("types");
  rule.payload = in.free_map("payload");
  rule.user_id = in.text("user_id", "");
  rule.session_id = in.text("session_id", "");
  rule.key = in.text("key", "");
  if (rule.regex.empty() || rule.topic.empty()) return std::nullopt;
  try {
    return LinePattern(rule, zone);
  } catch (const BadRule& error) {
    in.refuse(error.key, error.what());
  }
}

/// Each line would be two events, and of what one reads the other one would know nothing.
void refuse_doubles(shared::SettingsReader& in, const std::vector<std::string>& files) {
  const auto refuse = [&](const std::string& one, const std::string& other) {
    std::string wanted = "a list that names each file once";
    if (one != other) {
      wanted.append(" (\"").append(one).append("\" and \"").append(other);
      wanted.append("\" lead to one file)");
    }
    in.refuse("files", wanted);
  };
  std::map<std::filesystem::path, std::string> paths;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> hard_links;
  for (const std::string& file : files) {
    std::error_code error;
    std::filesystem::path path = std::filesystem::absolute(file, error);
    if (!error) path = std::filesystem::weakly_canonical(path, error);
    if (error) path = file;
    const auto [known, is_new] = paths.emplace(std::move(path), file);
    if (!is_new) refuse(known->second, file);
    try {
      const std::optional<FileIdentity> identity = identity_of(file);
      if (!identity) continue;
      const auto [link, is_other] =
          hard_links.emplace(std::pair(identity->device, identity->inode), file);
      if (!is_other) refuse(link->second, file);
    } catch (const std::system_error&) {
      continue;  // tail.failed will tell
    }
  }
}

}  // namespace

Settings read_settings(const nlohmann::json& config) {
  Settings out;
  shared::read_settings("tail", config, [&](shared::SettingsReader& in) {
    out.files = in.texts("files");
    const Zone zone =
        in.word("time_zone", "local", {"local", "utc"}) == "utc" ? Zone::utc : Zone::local;
    in.each("lines", {0, 256}, [&](shared::SettingsReader& line) {
      if (auto pattern = read_line(line, zone)) out.lines.push_back(std::move(*pattern));
    });
    out.unmatched = in.text("unmatched", "");
    out.positions = in.text("positions", "");
    out.start =
        in.word("start", "end", {"beginning", "end"}) == "end" ? Start::end : Start::beginning;
    out.follow = in.flag("follow", true) ? Follow::yes : Follow::no;
    out.watch =
        in.word("watch", "inotify", {"inotify", "poll"}) == "poll" ? Watch::poll : Watch::inotify;
    out.overlong =
        in.word("overlong", "cut", {"cut", "refuse"}) == "cut" ? Overlong::cut : Overlong::refuse;
    out.poll = in.duration("poll", out.poll, {10ms, 1h});
    out.rotate_wait = in.duration("rotate_wait", out.rotate_wait, {0ms, 1h});
    out.line_bytes_max = static_cast<std::size_t>(
        in.size("line_bytes_max", static_cast<std::int64_t>(out.line_bytes_max), {16, 131'072}));
    if (out.lines.empty() && out.unmatched.empty()) {
      const char* wanted = "a list of patterns, or \"unmatched\" with the topic of all lines,";
      if (in.has("lines")) in.refuse("lines", wanted);
      in.miss("lines", wanted);
    }
    refuse_doubles(in, out.files);
  });
  return out;
}

}  // namespace tail
