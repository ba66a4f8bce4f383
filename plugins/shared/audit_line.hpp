// shared/audit_line.hpp -- one line of an audit log: what the plugin writes and `busway audit
// verify` reads.
//
// Model      A JSON object on one line, whose last members are the chain:
//
//              {"seq":7,...,"prev":"<hash of line 6>","hash":"<hash of line 7>"}
//
//            The hash of a line is the SHA-256 of its bytes before ,"hash": -- so each byte of a
//            line is covered by its own hash, and the line before it by `prev`. The first line of
//            a chain has seq 1 and a prev of zeros. docs/formats/audit_log.md is the page.
// Threads    [any-thread]
// Ownership  Values.
// Errors     Reading: a sentence that says what is wrong.
// Cost       One SHA-256 of the line.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "shared/sha256.hpp"

namespace shared {

inline constexpr std::string_view kFirstPrev =
    "0000000000000000000000000000000000000000000000000000000000000000";
/// Longer ones are not written, and not read either. An event is at most 1 MiB unless its host
/// says otherwise; escaped it grows.
inline constexpr std::size_t kAuditLineBytesMax = std::size_t{64} << 20U;

/// Where a chain stands after a line.
struct AuditLink {
  std::uint64_t seq = 0;
  std::string hash{kFirstPrev};
};

struct AuditLine {
  std::uint64_t seq = 0;
  std::string prev{};
  std::string hash{};
  std::string problem{};  // empty: the line is one, and as it was written
};

/// The line after `last`, without its newline. `fields` is the text of a JSON object on one line,
/// which may be empty and must name neither seq nor prev nor hash.
[[nodiscard]] inline std::string make_audit_line(const AuditLink& last, std::string_view fields,
                                                 std::string& hash) {
  std::string line = "{\"seq\":" + std::to_string(last.seq + 1);
  const std::string_view members = fields.substr(1, fields.size() - 2);
  if (!members.empty()) {
    line += ',';
    line += members;
  }
  line += ",\"prev\":\"" + last.hash + '"';
  hash = sha256(line);
  line += ",\"hash\":\"" + hash + "\"}";
  return line;
}

namespace audit_line_detail {

[[nodiscard]] inline bool is_hash(std::string_view text) noexcept {
  return text.size() == kSha256Digits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Takes `,"<name>":"<hash>"` off the end of a text; the hash, or nothing.
[[nodiscard]] inline std::string_view take_hash(std::string_view& text, std::string_view name) {
  const std::size_t size = name.size() + 5 + kSha256Digits + 1;
  if (text.size() < size) return {};
  std::string_view member = text.substr(text.size() - size);
  if (!member.starts_with(",\"") || member.substr(2, name.size()) != name ||
      member.substr(2 + name.size(), 3) != "\":\"" || !member.ends_with('"')) {
    return {};
  }
  const std::string_view hash = member.substr(name.size() + 5, kSha256Digits);
  if (!is_hash(hash)) return {};
  text.remove_suffix(size);
  return hash;
}

}  // namespace audit_line_detail

inline constexpr std::string_view kAuditLineBegin = "{\"seq\":";

/// Whether it may be what a crash has left of a line: its beginning, or the zeros that some file
/// systems leave after a power failure.
[[nodiscard]] inline bool may_be_torn_audit_line(std::string_view text) noexcept {
  return text.starts_with(kAuditLineBegin.substr(0, text.size())) ||
         text.find_first_not_of('\0') == std::string_view::npos;
}

/// The `fields` that a line was made of; empty when the text is none.
[[nodiscard]] inline std::string fields_of_audit_line(std::string_view line) {
  if (!line.starts_with(kAuditLineBegin) || !line.ends_with('}')) return {};
  line.remove_suffix(1);
  if (audit_line_detail::take_hash(line, "hash").empty() ||
      audit_line_detail::take_hash(line, "prev").empty() || line.size() < kAuditLineBegin.size()) {
    return {};
  }
  line.remove_prefix(kAuditLineBegin.size());
  line.remove_prefix(std::min(line.find(','), line.size()));
  if (!line.empty()) line.remove_prefix(1);
  return '{' + std::string(line) + '}';
}

[[nodiscard]] inline AuditLine read_audit_line(std::string_view line) {
  constexpr std::string_view kBegin = kAuditLineBegin;
  AuditLine read;
  read.problem = "this is no line of an audit log";
  if (!line.starts_with(kBegin) || !line.ends_with('}')) return read;
  std::string_view rest = line.substr(0, line.size() - 1);
  const std::string_view hash = audit_line_detail::take_hash(rest, "hash");
  const std::string_view covered = rest;
  const std::string_view prev = audit_line_detail::take_hash(rest, "prev");
  rest.remove_prefix(std::min(kBegin.size(), rest.size()));
  const auto number = std::from_chars(rest.data(), rest.data() + rest.size(), read.seq);
  if (hash.empty() || prev.empty() || number.ec != std::errc() || read.seq == 0) return read;
  read.prev = prev;
  read.hash = hash;
  const std::string found = sha256(covered);
  read.problem = found == hash ? std::string()
                               : "the line was changed: its hash is " + read.hash +
                                     ", that of what it says is " + found;
  return read;
}

}  // namespace shared
