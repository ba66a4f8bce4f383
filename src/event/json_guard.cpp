#include "event/json_guard.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/escape.hpp"
#include "base/utf8.hpp"
#include "busway/error.hpp"

namespace busway::detail {
namespace {

[[noreturn]] void throw_too_deep(std::size_t depth_max) {
  throw Error(ErrorCode::too_deep, "JSON nested more than " + std::to_string(depth_max) +
                                       " levels deep; flatten it or send it as bytes");
}

[[noreturn]] void throw_rounded(std::string_view number) {
  throw Error(ErrorCode::invalid_json,
              "JSON number " + escape(number, 60) +
                  " cannot be kept exactly: integers have 64 bits, others the range of a double; "
                  "write it as a string");
}

bool is_integer(std::string_view number) {
  return number.find_first_of(".eE") == std::string_view::npos;
}

// 1e-400 becomes 0: the digits before the exponent say that it is not.
bool is_underflow(double value, std::string_view number) {
  if (value != 0.0) return false;
  const std::string_view digits = number.substr(0, number.find_first_of("eE"));
  return digits.find_first_of("123456789") != std::string_view::npos;
}

bool says(std::string_view what, std::string_view part) noexcept {
  return what.find(part) != std::string_view::npos;
}

// What would have been right, from where the parser stood when it met `token`. Its own words name
// its states and tokens, which say little to someone who wrote the text.
std::string_view json_cure(std::string_view what, std::string_view token) noexcept {
  if (token.starts_with('\'')) return "names and texts stand in double quotes";
  if (says(what, "object key")) {
    return token == "}" ? "no comma stands before }" : "names stand in double quotes";
  }
  if (says(what, "object separator")) return "a : stands between a name and its value";
  if (says(what, "expected end of input")) return "nothing may follow the value";
  if (says(what, "while parsing object")) return "a comma or } follows a value";
  if (says(what, "while parsing array")) return "a comma or ] follows a value";
  return "a value is null, true, false, a number, a text in double quotes, a list or an object";
}

// Why a text in double quotes is none: the part of the parser's sentence that says it.
std::string_view string_fault(std::string_view what) noexcept {
  constexpr std::string_view kBefore = "invalid string: ";
  const std::size_t begin = what.find(kBefore);
  if (begin == std::string_view::npos) return {};
  const std::string_view rest = what.substr(begin + kBefore.size());
  return rest.substr(0, rest.find("; last read"));
}

bool is_word(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '+' || c == '-';
}

// What the parser stumbled over: the end of what it has read since the last text or number began. A
// word that is none of null, true, false is met at the character that shows it.
struct Stumble {
  std::size_t begin = 0;
  std::size_t end = 0;
};
Stumble find_stumble(std::string_view read, std::string_view what) noexcept {
  std::size_t end = read.size();
  if (end >= 2 && read.front() == '"' && read.back() == '"') return {0, end};
  if (says(what, "invalid literal") && end >= 2 && !is_word(read[end - 1]) &&
      is_word(read[end - 2])) {
    --end;
  }
  std::size_t begin = end;
  while (begin > 0 && is_word(read[begin - 1])) --begin;
  return {begin < end ? begin : end - std::min<std::size_t>(end, 1), end};
}

std::string json_fault(std::string_view text, std::size_t position, std::string_view read,
                       std::string_view what) {
  if (position > text.size()) {
    return text.find_first_not_of(" \t\r\n") == std::string_view::npos
               ? "not JSON: the text is empty; write null for no value"
               : "not JSON: it ends at byte " + std::to_string(text.size()) +
                     ", before it is complete";
  }
  if (const std::string_view fault = string_fault(what); !fault.empty()) {
    return "not JSON: the text that ends at byte " + std::to_string(position - 1) + ": " +
           escape(fault);
  }
  const Stumble stumble = find_stumble(read, what);
  const std::string_view token = read.substr(stumble.begin, stumble.end - stumble.begin);
  const std::size_t begin = position - std::min(position, read.size() - stumble.begin);
  return "not JSON: " + quote(token, 60) + " at byte " + std::to_string(begin) + "; " +
         std::string(json_cure(what, token));
}

// Builds the value as nlohmann's own handler does, and throws at the first thing to refuse. The
// parser it serves keeps its own stack on the heap, so neither recurses.
class Builder {
 public:
  Builder(std::string_view text, std::size_t depth_max) : text_(text), depth_max_(depth_max) {}

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(Json::number_integer_t value) { return put(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return put(value); }
  bool number_float(Json::number_float_t value, const std::string& text) {
    if (is_integer(text) || is_underflow(value, text)) throw_rounded(text);
    return put(value);
  }
  bool string(std::string& value) { return put(std::move(value)); }
  bool binary(Json::binary_t& value) { return put(Json::binary(std::move(value))); }

  bool start_object(std::size_t /*size*/) { return open(Json::object()); }
  bool start_array(std::size_t /*size*/) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    const auto [place, is_new] = open_.back()->get_ref<Json::object_t&>().try_emplace(name);
    if (!is_new) {
      throw Error(ErrorCode::invalid_json,
                  "JSON object has the key " + quote(name) + " twice; each key may occur once");
    }
    member_ = &place->second;
    return true;
  }

  bool parse_error(std::size_t position, const std::string& last_token,
                   const nlohmann::detail::exception& error) {
    constexpr int kNumberOverflow = 406;
    if (error.id == kNumberOverflow) throw_rounded(last_token);
    throw Error(ErrorCode::invalid_json, json_fault(text_, position, last_token, error.what()));
  }

  [[nodiscard]] Json take() { return std::move(root_); }

 private:
  Json& place(Json&& value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return root_;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return open_.back()->back();
    }
    *member_ = std::move(value);
    return *member_;
  }
  bool put(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json&& container) {
    if (open_.size() == depth_max_) throw_too_deep(depth_max_);
    open_.push_back(&place(std::move(container)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  std::size_t depth_max_;
  Json root_;
  std::vector<Json*> open_;  // containers not yet closed; a parent does not grow meanwhile
  Json* member_ = nullptr;
};

void check_text(std::string_view text) {
  const std::size_t bad = find_invalid_utf8(text);
  if (bad == std::string_view::npos) return;
  throw Error(ErrorCode::invalid_json, "JSON text " + quote(text) + " is not valid UTF-8 at byte " +
                                           std::to_string(bad) + "; send it as bytes");
}

// Recursive, at most depth_max calls deep.
void check_value(const Json& value, std::size_t depth, std::size_t depth_max) {
  switch (value.type()) {
    case Json::value_t::object:
      if (depth == depth_max) throw_too_deep(depth_max);
      for (const auto& [name, member] : value.get_ref<const Json::object_t&>()) {
        check_text(name);
        check_value(member, depth + 1, depth_max);
      }
      return;
    case Json::value_t::array:
      if (depth == depth_max) throw_too_deep(depth_max);
      for (const Json& item : value) check_value(item, depth + 1, depth_max);
      return;
    case Json::value_t::string: check_text(value.get_ref<const std::string&>()); return;
    case Json::value_t::binary:
      throw Error(ErrorCode::invalid_json,
                  "JSON has no binary values; send a bytes payload or base64 text");
    case Json::value_t::discarded:
      throw Error(ErrorCode::invalid_json, "the JSON value is one that a parser discarded");
    default: return;
  }
}

}  // namespace

Json parse_json(std::string_view text, std::size_t depth_max) {
  // The parser would take it for the end and drop what follows; no JSON text may hold one.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    throw Error(ErrorCode::invalid_json, "not JSON: a zero byte at byte " + std::to_string(nul));
  }
  Builder builder(text, depth_max);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

void check_json(const Json& value, std::size_t depth_max) { check_value(value, 0, depth_max); }

std::string dump_json(const Json& value) { return value.dump(); }

}  // namespace busway::detail
