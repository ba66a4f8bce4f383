// Reads the syntax of RE2 20220601 far enough to know which literals a match must hold. RE2 has
// accepted the text, so faults need not be found; what is not understood counts as anything.
#include <charconv>
#include <cstdint>

#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "match/condition.hpp"

namespace busway::match_detail {
namespace {

constexpr int kRepeatsWritten = 4;  // x{9,} is read as xxxx and anything
constexpr std::size_t kSetMembersMax = 4;

struct Flags {
  bool ignore_case = false;
  bool multi_line = false;
};

bool is_octal(char c) noexcept { return c >= '0' && c <= '7'; }

// Whether a match that ignores case may have other bytes in the place of this character: k and s
// have partners beyond ASCII (U+212A, U+017F), characters beyond ASCII may have any.
bool has_far_partner(std::uint32_t c) noexcept {
  return c >= 0x80 || c == 'k' || c == 'K' || c == 's' || c == 'S';
}

std::string folded_utf8(std::uint32_t c) {
  std::string out;
  const auto add = [&out](std::uint32_t byte) { out += fold(static_cast<char>(byte)); };
  const auto add_tail = [&add, c](std::uint32_t shift) { add(0x80U | ((c >> shift) & 0x3FU)); };
  if (c < 0x80) {
    add(c);
  } else if (c < 0x800) {
    add(0xC0U | (c >> 6U));
    add_tail(0);
  } else if (c < 0x10000) {
    add(0xE0U | (c >> 12U));
    add_tail(6);
    add_tail(0);
  } else {
    add(0xF0U | (c >> 18U));
    add_tail(12);
    add_tail(6);
    add_tail(0);
  }
  return out;
}

enum class Atom : unsigned char { character, text_begin, text_end, no_width, any };

class Reader {
 public:
  explicit Reader(std::string_view regex) : rest_(regex) {}

  Literals read() {
    Literals all = read_alternatives();
    return lost_ || !rest_.empty() ? Literals::anything() : all;
  }

 private:
  [[nodiscard]] bool at(std::string_view text) const noexcept {
    return rest_.substr(0, text.size()) == text;
  }
  bool skip(std::string_view text) noexcept {
    if (!at(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  char next() noexcept {
    if (rest_.empty()) {
      lost_ = true;
      return ')';
    }
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  std::uint32_t next_character() noexcept {
    const Utf8Char character = rest_.empty() ? Utf8Char{} : decode_utf8(rest_);
    if (character.size == 0) {
      lost_ = true;
      rest_ = {};
    }
    rest_.remove_prefix(character.size);
    return character.code_point;
  }
  void skip_past(char end) noexcept {
    const std::size_t found = rest_.find(end);
    if (found == std::string_view::npos) lost_ = true;
    rest_.remove_prefix(found == std::string_view::npos ? rest_.size() : found + 1);
  }
  [[nodiscard]] bool repeat_follows() const noexcept {
    return at("*") || at("+") || at("?") || at("{");
  }

  Literals read_alternatives();
  Literals read_sequence();
  Literals read_item();
  Literals read_group();
  Literals read_set();
  Atom read_escape(std::uint32_t& character);
  void read_octal(std::uint32_t& character);
  void read_hexadecimal(std::uint32_t& character);
  void read_repeats(Literals& item);
  bool read_braces(Literals& item);
  void repeat_times(Literals& item, int times, bool or_more);
  Literals literals_of_character(std::uint32_t character) const;

  std::string_view rest_;
  Flags flags_;
  bool lost_ = false;  // something was not understood: claim nothing
};

Literals Reader::read_alternatives() {
  Literals all = read_sequence();
  while (skip("|")) all.or_else(read_sequence());
  return all;
}

// Up to a | or ) or the end.
Literals Reader::read_sequence() {
  Literals all = Literals::text("");
  std::string run;  // characters in a row are joined in one go
  while (!lost_ && !rest_.empty() && !at("|") && !at(")")) {
    const char c = rest_.front();
    const bool plain = (c >= 'a' && c <= 'z' && !flags_.ignore_case) || is_digit(c) || c == '_';
    if (plain) {
      rest_.remove_prefix(1);
      if (!repeat_follows()) {
        run += fold(c);
        continue;
      }
    }
    if (!run.empty()) all.append(Literals::text(run));
    run.clear();
    Literals item = plain ? Literals::text(std::string(1, fold(c))) : read_item();
    read_repeats(item);
    all.append(item);
  }
  if (!run.empty()) all.append(Literals::text(run));
  return all;
}

Literals Reader::literals_of_character(std::uint32_t character) const {
  if (flags_.ignore_case && has_far_partner(character)) return Literals::anything();
  return Literals::text(folded_utf8(character));
}

Literals Reader::read_item() {
  const auto mark = [](char end) { return Literals::text(std::string(1, end)); };
  if (skip(".")) return Literals::anything();
  if (skip("^")) return flags_.multi_line ? Literals::text("") : mark(kTextBegin);
  if (skip("$")) return flags_.multi_line ? Literals::text("") : mark(kTextEnd);
  if (skip("[")) return read_set();
  if (skip("(")) return read_group();
  if (!skip("\\")) return literals_of_character(next_character());
  std::uint32_t character = 0;
  switch (read_escape(character)) {
    case Atom::character: return literals_of_character(character);
    case Atom::text_begin: return mark(kTextBegin);
    case Atom::text_end: return mark(kTextEnd);
    case Atom::no_width: return Literals::text("");
    case Atom::any: break;
  }
  return Literals::anything();
}

// Behind a backslash. \Q would need more care (a repeat after \E reaches back): it is not
// understood.
Atom Reader::read_escape(std::uint32_t& character) {
  const char c = next();
  switch (c) {
    case 'A': return Atom::text_begin;
    case 'z': return Atom::text_end;
    case 'b':
    case 'B': return Atom::no_width;
    case 'C':
    case 'd':
    case 'D':
    case 's':
    case 'S':
    case 'w':
    case 'W': return Atom::any;
    case 'p':
    case 'P':
      if (skip("{")) {
        skip_past('}');
      } else {
        static_cast<void>(next_character());
      }
      return Atom::any;
    case 'a': character = '\a'; return Atom::character;
    case 'f': character = '\f'; return Atom::character;
    case 'n': character = '\n'; return Atom::character;
    case 'r': character = '\r'; return Atom::character;
    case 't': character = '\t'; return Atom::character;
    case 'v': character = '\v'; return Atom::character;
    case 'x': read_hexadecimal(character); return Atom::character;
    default: break;
  }
  if (is_octal(c)) {
    character = static_cast<std::uint32_t>(c - '0');
    read_octal(character);
    return Atom::character;
  }
  const bool punctuation =
      c > ' ' && c < 0x7F && !is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z');
  if (!punctuation) lost_ = true;
  character = static_cast<unsigned char>(c);
  return Atom::character;
}

void Reader::read_octal(std::uint32_t& character) {
  for (int i = 0; i < 2 && !rest_.empty() && is_octal(rest_.front()); ++i) {
    character = character * 8 + static_cast<std::uint32_t>(next() - '0');
  }
}

void Reader::read_hexadecimal(std::uint32_t& character) {
  std::string_view digits = rest_.substr(0, 2);
  if (skip("{")) {
    digits = rest_.substr(0, rest_.find('}'));
    skip_past('}');
  } else {
    rest_.remove_prefix(digits.size());
  }
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, character, 16);
  const bool surrogate = character >= 0xD800 && character <= 0xDFFF;
  if (error != std::errc{} || stop != end || character > 0x10FFFF || surrogate) lost_ = true;
}

// Behind a (.
Literals Reader::read_group() {
  const Flags outside = flags_;
  if (skip("?P<")) {
    skip_past('>');
  } else if (skip("?")) {
    bool on = true;
    for (;;) {
      const char c = next();
      if (c == ':') break;
      if (c == ')') {  // flags for the rest of the group around
        // RE2 lets a repeat reach back across such flags.
        if (repeat_follows()) lost_ = true;
        return Literals::text("");
      }
      if (c == '-') on = false;
      if (c == 'i') flags_.ignore_case = on;
      if (c == 'm') flags_.multi_line = on;
      if (c != '-' && c != 'i' && c != 'm' && c != 's' && c != 'U') lost_ = true;
      if (lost_) return Literals::anything();
    }
  }
  Literals all = read_alternatives();
  if (!skip(")")) lost_ = true;
  flags_ = outside;
  return all;
}

// Behind a [. A small set of characters becomes so many texts.
Literals Reader::read_set() {
  Strings members;
  bool understood = !skip("^");
  for (bool first = true; first || !at("]"); first = false) {
    if (lost_ || rest_.empty()) {
      lost_ = true;
      break;
    }
    if (const std::size_t end = at("[:") ? rest_.find(":]", 2) : std::string_view::npos;
        end != std::string_view::npos) {
      rest_.remove_prefix(end + 2);
      understood = false;
      continue;
    }
    const auto read_member = [&](std::uint32_t& character) {
      if (!skip("\\")) {
        character = next_character();
        return true;
      }
      return read_escape(character) == Atom::character;
    };
    std::uint32_t low = 0;
    if (!read_member(low)) {  // a class such as \d
      understood = false;
      continue;
    }
    std::uint32_t high = low;
    if (rest_.size() >= 2 && at("-") && !at("-]")) {
      skip("-");
      if (!read_member(high)) lost_ = true;
    }
    if (high >= low + kSetMembersMax || high >= 0x80) understood = false;
    for (std::uint32_t c = low; understood && c <= high; ++c) {
      if (flags_.ignore_case && has_far_partner(c)) understood = false;
      members.push_back(folded_utf8(c));
    }
    if (members.size() > 2 * kSetMembersMax) understood = false;
  }
  skip("]");
  return understood ? Literals::one_of(std::move(members)) : Literals::anything();
}

// All repeats behind an item; a ? that makes one reluctant matters not.
void Reader::read_repeats(Literals& item) {
  while (!lost_) {
    if (skip("*")) {
      item = Literals::anything();
    } else if (skip("+")) {
      item.repeat();
    } else if (skip("?")) {
      item.or_else(Literals::text(""));
    } else if (!at("{") || !read_braces(item)) {
      return;
    }
    skip("?");
  }
}

// {n}, {n,} or {n,m}; anything else that begins with a brace is literal.
bool Reader::read_braces(Literals& item) {
  const std::size_t end = rest_.find('}');
  if (end == std::string_view::npos) return false;
  const std::string_view inside = rest_.substr(1, end - 1);
  const std::size_t comma = inside.find(',');
  const std::string_view low = inside.substr(0, comma);
  const std::string_view high = comma == std::string_view::npos ? low : inside.substr(comma + 1);
  const auto all_digits = [](std::string_view text) {
    return text.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (low.empty() || !all_digits(low) || !all_digits(high)) return false;
  const auto odd = [](std::string_view number) {  // RE2 takes some of these literally
    return number.size() > 4 || (number.size() > 1 && number.front() == '0');
  };
  if (odd(low) || odd(high)) lost_ = true;
  if (lost_) return true;
  int times = 0;
  std::from_chars(low.data(), low.data() + low.size(), times);
  rest_.remove_prefix(end + 1);
  repeat_times(item, times, low != high);
  return true;
}

void Reader::repeat_times(Literals& item, int times, bool or_more) {
  if (times == 0) {
    item = or_more ? Literals::anything() : Literals::text("");
    return;
  }
  const Literals once = item;
  for (int i = 1; i < times && i < kRepeatsWritten; ++i) item.append(once);
  if (or_more || times > kRepeatsWritten) item.append(Literals::anything());
}

}  // namespace

Literals literals_of_regex(std::string_view regex) { return Reader(regex).read(); }

}  // namespace busway::match_detail
