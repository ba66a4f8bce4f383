#include "match/pattern_reading.hpp"

#include <re2/re2.h>

#include <array>
#include <atomic>

#include "base/escape.hpp"
#include "base/utf8.hpp"
#include "busway/error.hpp"
#include "busway/topic_name.hpp"
#include "match/glob.hpp"
#include "match/regex_cache.hpp"
#include "match/segments.hpp"

namespace busway::match_detail {
namespace {

constexpr std::string_view kRegexCharacters = "^$\\()|+{}";
constexpr std::string_view kWildcardCharacters = "*?[";
constexpr std::array kKinds = {PatternKind::exact, PatternKind::glob, PatternKind::segments,
                               PatternKind::regex};

bool is_plain(Reading reading) noexcept {
  return reading != Reading::maker && reading != Reading::prefix;
}

// The pattern stands in the message as it was written, so that it is found where it stands.
[[noreturn]] void refuse(PatternKind kind, Reading reading, std::string_view text,
                         const std::string& why) {
  const std::string written =
      std::string(reading == Reading::prefix ? prefix_of(kind) : std::string_view{}).append(text);
  throw Error(ErrorCode::invalid_pattern, "the " + std::string(to_string(kind)) + " pattern " +
                                              quote(written) + " cannot be used: " + why);
}

std::string without_doubled_dots(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '.' || (!out.empty() && out.back() != '.')) out += c;
  }
  while (!out.empty() && out.back() == '.') out.pop_back();
  return out;
}

// What someone who wrote a glob that matches nothing had in mind.
std::string suggest_for_glob(std::string_view text) {
  const std::string tidy = without_doubled_dots(text);
  std::string hint;
  if (!tidy.empty() && tidy != text) hint = "; probably meant: " + quote(tidy);
  if (text.find(".*") != std::string_view::npos) {
    hint += (hint.empty() ? "; probably meant: " : ", or as a regular expression ") +
            quote("re:" + std::string(text));
  }
  return hint;
}

void check_exact(Reading reading, std::string_view text) {
  if (!is_plain(reading)) return;
  if (auto message = check_topic(text)) {
    if (text.find('>') != std::string_view::npos) {
      *message +=
          " (one or more words are written ** at the end of a segments pattern: \"seg:a.**\")";
    }
    throw Error(ErrorCode::invalid_pattern,
                "the pattern " + quote(text) +
                    " has no wildcard, so it must be a topic, and it is none: " + *message);
  }
}

void check_glob(Reading reading, std::string_view text, std::size_t literal_from) {
  const auto alphabet =
      is_plain(reading) ? GlobAlphabet::topic_character : GlobAlphabet::any_character;
  if (const auto flaw = glob_flaw(text, literal_from, alphabet)) {
    refuse(PatternKind::glob, reading, text,
           "it can match no legal topic: " + *flaw + suggest_for_glob(text));
  }
}

void check_segments(Reading reading, std::string_view text) {
  if (const auto flaw = segments_flaw(text)) refuse(PatternKind::segments, reading, text, *flaw);
}

void check_regex(Reading reading, std::string_view text, std::atomic<std::uint32_t>& hint) {
  const auto regex = RegexCache::process().get(text, hint);
  if (regex->ok()) return;
  std::string why = escape(regex->error());
  switch (regex->error_code()) {
    case re2::RE2::ErrorBadEscape: why += " (RE2 has no back-references and no look-around)"; break;
    case re2::RE2::ErrorRepeatArgument:
    case re2::RE2::ErrorRepeatOp:
      why += "; a glob or segments pattern is written \"glob:...\" or \"seg:...\"";
      break;
    case re2::RE2::ErrorUnexpectedParen:
    case re2::RE2::ErrorMissingParen: why += "; a literal parenthesis is written \\( or \\)"; break;
    case re2::RE2::ErrorMissingBracket: why += "; a literal bracket is written \\["; break;
    case re2::RE2::ErrorPatternTooLarge:
      why += "; it needs more than " + std::to_string(kRegexBytesLarge >> 10U) + " KiB";
      break;
    default: break;
  }
  refuse(PatternKind::regex, reading, text, why);
}

std::string why_read_so(PatternKind kind, Reading reading, std::string_view text) {
  switch (reading) {
    case Reading::maker: return "as the program says";
    case Reading::prefix: return "as its prefix " + std::string(prefix_of(kind)) + " says";
    case Reading::no_wildcard:
      return std::string("because it has none of the wildcards * ? [") +
             (text.find('#') == std::string_view::npos
                  ? ""
                  : " (# is no wildcard: one or more words are written \"seg:a.**\")");
    case Reading::wildcard:
      return std::string("because it has the wildcard ") +
             text[text.find_first_of(kWildcardCharacters)] +
             " and no character of a regular expression";
    case Reading::regex_character:
      return std::string("because it has the character ") +
             text[text.find_first_of(kRegexCharacters)];
    case Reading::dot_star: return "because it begins with .*";
  }
  return {};
}

std::string what_it_matches(PatternKind kind, std::string_view text) {
  switch (kind) {
    case PatternKind::exact: return "it matches this one name, byte for byte";
    case PatternKind::glob:
      return text == "*" ? "it matches every topic"
                         : "* stands for any text and ? for one character, dots included";
    case PatternKind::segments:
      return text == "*"
                 ? "it matches every topic"
                 : "* stands for one whole segment between dots, ** at the end for one or more";
    case PatternKind::regex:
      return "RE2 searches it anywhere in the topic, unless ^ and $ tie it to the ends";
  }
  return {};
}

}  // namespace

/// A kind's whole name in place of its prefix would be read as a topic that nobody publishes.
static void refuse_kind_as_prefix(std::string_view text) {
  for (const PatternKind kind : {PatternKind::regex, PatternKind::segments}) {
    const std::string name = std::string(to_string(kind)) + ':';
    if (!text.starts_with(name)) continue;
    throw Error(ErrorCode::invalid_pattern,
                "the pattern " + quote(text) + " begins with " + quote(name) +
                    ", which is no prefix; probably meant: " +
                    quote(std::string(prefix_of(kind)).append(text.substr(name.size()))) +
                    ", or for a topic of this name " + quote("exact:" + std::string(text)));
  }
}

PlainReading read_plain(std::string_view text, Wildcards wildcards) {
  refuse_kind_as_prefix(text);
  const std::string_view prefix = pattern_prefix_of(text);
  if (!prefix.empty()) {
    for (const PatternKind kind : kKinds) {
      if (prefix_of(kind) == prefix) return {kind, Reading::prefix, text.substr(prefix.size())};
    }
  }
  if (text.find_first_of(kRegexCharacters) != std::string_view::npos) {
    return {PatternKind::regex, Reading::regex_character, text};
  }
  if (text.substr(0, 2) == ".*") return {PatternKind::regex, Reading::dot_star, text};
  if (text.find_first_of(kWildcardCharacters) == std::string_view::npos) {
    return {PatternKind::exact, Reading::no_wildcard, text};
  }
  return {wildcards == Wildcards::glob ? PatternKind::glob : PatternKind::segments,
          Reading::wildcard, text};
}

const PatternState* make_state(PatternKind kind, Reading reading, std::string_view text) {
  if (text.empty()) {
    throw Error(ErrorCode::invalid_pattern,
                std::string("the pattern is empty; ") +
                    (reading == Reading::prefix ? "something must follow its prefix; " : "") +
                    "to match every topic write \"*\"");
  }
  if (text.size() > kPatternBytesMax) {
    refuse(kind, reading, text,
           "it has " + std::to_string(text.size()) + " bytes; at most " +
               std::to_string(kPatternBytesMax) + " are allowed");
  }
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string_view::npos) {
    refuse(kind, reading, text,
           "the byte at offset " + std::to_string(bad) + " is not valid UTF-8");
  }
  std::size_t literal_from = 0;
  std::atomic<std::uint32_t> hint{0};
  switch (kind) {
    case PatternKind::exact: check_exact(reading, text); break;
    case PatternKind::glob:
      literal_from = glob_literal_from(text);
      check_glob(reading, text, literal_from);
      break;
    case PatternKind::segments: check_segments(reading, text); break;
    case PatternKind::regex: check_regex(reading, text, hint); break;
  }
  const PatternState* const state = PatternState::make(kind, reading, text, literal_from);
  state->cache_hint().store(hint.load(std::memory_order_relaxed), std::memory_order_relaxed);
  return state;
}

std::string explain(PatternKind kind, Reading reading, std::string_view text) {
  const std::string_view article = kind == PatternKind::exact ? "" : "a ";
  const std::string_view noun = kind == PatternKind::exact      ? "exact"
                                : kind == PatternKind::glob     ? "glob"
                                : kind == PatternKind::segments ? "segments pattern"
                                                                : "regular expression";
  return quote(text, kPatternBytesMax)
      .append(" is read as ")
      .append(article)
      .append(noun)
      .append(", ")
      .append(why_read_so(kind, reading, text))
      .append(": ")
      .append(what_it_matches(kind, text));
}

std::string_view prefix_of(PatternKind kind) noexcept {
  switch (kind) {
    case PatternKind::exact: return "exact:";
    case PatternKind::glob: return "glob:";
    case PatternKind::segments: return "seg:";
    case PatternKind::regex: return "re:";
  }
  return {};
}

}  // namespace busway::match_detail
