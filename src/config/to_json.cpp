#include "config/to_json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/escape.hpp"
#include "config/scalar.hpp"

namespace busway::config {
namespace {

using nlohmann::json;

constexpr std::string_view kDigits = "0123456789";

bool all_of(std::string_view text, std::string_view letters) {
  return !text.empty() && text.find_first_not_of(letters) == std::string_view::npos;
}

std::string_view without_sign(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return text;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_core_float(std::string_view text) {
  text = without_sign(text);
  const std::size_t e = text.find_first_of("eE");
  if (e != std::string_view::npos && !all_of(without_sign(text.substr(e + 1)), kDigits))
    return false;
  const std::string_view mantissa = text.substr(0, e);
  const std::size_t dot = mantissa.find('.');
  const std::string_view whole = mantissa.substr(0, dot);
  if (dot == std::string_view::npos) return all_of(whole, kDigits);
  const std::string_view fraction = mantissa.substr(dot + 1);
  const bool whole_fits = whole.empty() || all_of(whole, kDigits);
  const bool fraction_fits = fraction.empty() || all_of(fraction, kDigits);
  return whole_fits && fraction_fits && !(whole.empty() && fraction.empty());
}

bool is_not_finite(std::string_view text) {
  const std::string_view word = without_sign(text);
  return word == ".inf" || word == ".Inf" || word == ".INF" || text == ".nan" || text == ".NaN" ||
         text == ".NAN";
}

struct Scalar {
  json value = nullptr;
  std::string problem{};
};

template <class Integer>
std::optional<Integer> whole(std::string_view text, int base) {
  Integer value{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

Scalar integer(std::string_view text, std::string_view digits, int base) {
  const bool negative = text.starts_with('-');
  if (!negative) {
    if (const auto value = whole<std::uint64_t>(digits, base)) return {.value = *value};
  } else if (const auto signed_value = whole<std::int64_t>(text, base)) {
    return {.value = *signed_value};
  }
  return {.problem = "a whole number beyond 64 bits would lose digits; put it in quotes"};
}

Scalar floating(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || !std::isfinite(value)) {
    return {.problem = "the number does not fit a double; put it in quotes"};
  }
  return {.value = value};
}

// A plain scalar by the core schema; no value and no problem: it is a string.
std::optional<Scalar> plain(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") return Scalar{.value = true};
  if (text == "false" || text == "False" || text == "FALSE") return Scalar{.value = false};
  if (text == "null" || text == "Null" || text == "NULL" || text == "~") return Scalar{};
  if (is_not_finite(text)) {
    return Scalar{.problem = std::string(text) + " cannot be written in JSON; put it in quotes"};
  }
  if (text.starts_with("0x") && all_of(text.substr(2), "0123456789abcdefABCDEF")) {
    return integer(text, text.substr(2), 16);
  }
  if (text.starts_with("0o") && all_of(text.substr(2), "01234567")) {
    return integer(text, text.substr(2), 8);
  }
  if (std::string problem = leading_zero_problem(text); !problem.empty()) {
    return Scalar{.problem = problem + ", or put it in quotes"};
  }
  if (all_of(without_sign(text), kDigits)) return integer(text, without_sign(text), 10);
  if (is_core_float(text)) return floating(text);
  return std::nullopt;
}

class Converter {
 public:
  Converter(const SecretKeys& secrets, Issues& issues) : secrets_(secrets), issues_(issues) {}

  json run(const Node& node, const std::string& path, bool secret) {
    switch (node.kind) {
      case Node::Kind::null: return nullptr;
      case Node::Kind::scalar: return scalar(node, path, secret);
      case Node::Kind::list: {
        json list = json::array();
        for (std::size_t i = 0; i < node.items.size(); ++i) {
          list.push_back(run(*node.items[i], path + '[' + std::to_string(i) + ']', secret));
        }
        return list;
      }
      case Node::Kind::map: {
        json map = json::object();
        for (const Entry& entry : node.entries) {
          const std::string inner = path.empty() ? entry.key : path + '.' + entry.key;
          map[entry.key] = run(*entry.value, inner, secret || secrets_.contains(entry.key));
        }
        return map;
      }
    }
    return nullptr;
  }

 private:
  json scalar(const Node& node, const std::string& path, bool secret) {
    const bool untyped = node.style == Node::Style::quoted || node.source == Node::Source::faulty ||
                         node.text.empty();
    if (untyped) return node.text;
    std::optional<Scalar> typed = plain(node.text);
    if (!typed) {
      if (const std::string_view meant = old_boolean(node.text);
          meant.size() > 1 && node.text.size() > 1) {
        issues_.warning(node.at, path,
                        node.text + " is read as text; write " + std::string(meant) +
                            " for the boolean, or put it in quotes");
      }
      return node.text;
    }
    if (!typed->problem.empty()) {
      issues_.error(
          node.at, path,
          secret ? std::string(
                       "the secret would be read as a number and lose digits; put it in quotes")
                 : typed->problem);
      return node.text;
    }
    return typed->value;
  }

  const SecretKeys& secrets_;
  Issues& issues_;
};

}  // namespace

json to_json(const Node& node, const std::string& path, const SecretKeys& secrets, Issues& issues) {
  return Converter(secrets, issues).run(node, path, false);
}

std::string masked_dump(const Document& document) {
  Issues ignored(document.file);
  const json value =
      masked(to_json(*document.root, {}, document.secrets, ignored), document.secrets);
  return value.dump(2, ' ', false, json::error_handler_t::replace);
}

}  // namespace busway::config
