#include "event/json_guard.hpp"

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

// The sentence without nlohmann's "[json.exception.parse_error.101] ".
std::string parser_sentence(std::string_view what) {
  const std::size_t end = what.starts_with('[') ? what.find("] ") : std::string_view::npos;
  return escape(end == std::string_view::npos ? what : what.substr(end + 2));
}

// Builds the value as nlohmann's own handler does, and throws at the first thing to refuse. The
// parser it serves keeps its own stack on the heap, so neither recurses.
class Builder {
 public:
  explicit Builder(std::size_t depth_max) : depth_max_(depth_max) {}

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

  bool parse_error(std::size_t /*position*/, const std::string& last_token,
                   const nlohmann::detail::exception& error) {
    constexpr int kNumberOverflow = 406;
    if (error.id == kNumberOverflow) throw_rounded(last_token);
    throw Error(ErrorCode::invalid_json, "not JSON: " + parser_sentence(error.what()));
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
  Builder builder(depth_max);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

void check_json(const Json& value, std::size_t depth_max) { check_value(value, 0, depth_max); }

std::string dump_json(const Json& value) { return value.dump(); }

}  // namespace busway::detail
