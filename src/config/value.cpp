#include "config/value.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/escape.hpp"
#include "base/nearest.hpp"
#include "config/to_json.hpp"

namespace busway::config {
namespace {

constexpr std::size_t kShownBytesMax = 100;

std::string shown(const Node& node, const Place& place) {
  if (place.shown == Place::Shown::masked) return std::string(kMask);
  return quote(mask_text(node.text), kShownBytesMax);
}

bool reject_collection(const Node& node, const Place& place, std::string_view wanted) {
  if (node.source == Node::Source::faulty) {
    place.issues->error_again();
    return true;
  }
  if (node.kind == Node::Kind::scalar) return false;
  if (node.kind == Node::Kind::null) {
    place.error("has no value; give " + std::string(wanted) + ", or remove the key");
  } else {
    place.error("expected " + std::string(wanted) + ", found " + std::string(describe(node.kind)));
  }
  return true;
}

// A scalar that may be read as another type than text.
bool reject_untyped(const Node& node, const Place& place, std::string_view wanted) {
  if (reject_collection(node, place, wanted)) return true;
  if (node.text.empty()) {
    place.error("is empty; give " + std::string(wanted) + ", or remove the key");
    return true;
  }
  if (node.style == Node::Style::quoted && node.source == Node::Source::literal) {
    place.error("expected " + std::string(wanted) + ", found the text " + shown(node, place) +
                "; remove the quotes");
    return true;
  }
  return false;
}

template <class T>
std::optional<T> report(Reading<T> reading, const Place& place, std::string_view wanted) {
  if (reading.value) return std::move(reading.value);
  place.error(place.shown == Place::Shown::masked ? "the secret is not " + std::string(wanted)
                                                  : std::move(reading.problem));
  return std::nullopt;
}

bool is_control(unsigned char c) { return c < 0x20U || c == 0x7FU; }

// Why a text is refused; empty if it is good.
std::string text_problem(const Node& node, const Place& place, const TextRule& rule) {
  const std::string form = rule.form.empty() ? std::string("a text") : rule.form;
  if (node.text.empty() && rule.bytes_min > 0) {
    return "is empty; give " + form + ", or remove the key";
  }
  if (node.text.size() < rule.bytes_min || node.text.size() > rule.bytes_max) {
    return "has " + std::to_string(node.text.size()) + " bytes; it must have " +
           std::to_string(rule.bytes_min) + " to " + std::to_string(rule.bytes_max);
  }
  if (rule.letters.empty()) {
    const bool control = std::any_of(node.text.begin(), node.text.end(), [](char c) {
      return is_control(static_cast<unsigned char>(c));
    });
    return control ? shown(node, place) + " holds a line end or another control character"
                   : std::string();
  }
  const std::size_t bad = node.text.find_first_not_of(rule.letters);
  if (bad == std::string::npos) return {};
  return shown(node, place) + " is not " + form;
}

}  // namespace

Place Place::key(const Entry& entry) const {
  const bool mask = shown == Shown::masked || secrets->contains(entry.key);
  return {.issues = issues,
          .secrets = secrets,
          .path = path.empty() ? entry.key : path + '.' + entry.key,
          .at = entry.value->at,
          .shown = mask ? Shown::masked : Shown::as_is};
}

Place Place::item(std::size_t index, const Node& node) const {
  return {.issues = issues,
          .secrets = secrets,
          .path = path + '[' + std::to_string(index) + ']',
          .at = node.at,
          .shown = shown};
}

std::string show(const IntegerRange& range) {
  const IntegerRange all;
  if (range.min == all.min && range.max == all.max) return {};
  if (range.max == all.max) return "at least " + std::to_string(range.min);
  return std::to_string(range.min) + " to " + std::to_string(range.max);
}

std::string show(const NumberRange& range) {
  return show_number(range.min) + " to " + show_number(range.max);
}

std::string show(const DurationRange& range) {
  return show_duration(range.min) + " to " + show_duration(range.max);
}

std::string show(const SizeRange& range) {
  return show_size(range.min) + " to " + show_size(range.max);
}

std::string show(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string suggestion(std::string_view wrong, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string_view near = nearest(wrong, views);
  if (!near.empty()) return "; did you mean " + std::string(near) + "?";
  return "; it is one of " + show(names);
}

std::optional<bool> get_boolean(const Node& node, const Place& place) {
  constexpr std::string_view kWanted = "true or false";
  if (reject_untyped(node, place, kWanted)) return std::nullopt;
  return report(read_boolean(node.text), place, kWanted);
}

std::optional<std::int64_t> get_integer(const Node& node, const Place& place, IntegerRange range) {
  constexpr std::string_view kWanted = "a whole number";
  if (reject_untyped(node, place, kWanted)) return std::nullopt;
  return report(read_integer(node.text, range.min, range.max), place, kWanted);
}

std::optional<double> get_number(const Node& node, const Place& place, NumberRange range) {
  constexpr std::string_view kWanted = "a number";
  if (reject_untyped(node, place, kWanted)) return std::nullopt;
  return report(read_number(node.text, range.min, range.max), place, kWanted);
}

std::optional<std::chrono::milliseconds> get_duration(const Node& node, const Place& place,
                                                      DurationRange range) {
  constexpr std::string_view kWanted = "a duration such as 500ms or 5s";
  if (reject_collection(node, place, kWanted)) return std::nullopt;
  return report(read_duration(node.text, range.min, range.max), place, kWanted);
}

std::optional<std::uint64_t> get_size(const Node& node, const Place& place, SizeRange range) {
  constexpr std::string_view kWanted = "a size such as 64KiB";
  if (reject_collection(node, place, kWanted)) return std::nullopt;
  return report(read_size(node.text, range.min, range.max), place, kWanted);
}

std::optional<std::string> get_text(const Node& node, const Place& place, const TextRule& rule) {
  const std::string wanted = rule.form.empty() ? std::string("a text") : rule.form;
  if (reject_collection(node, place, wanted)) return std::nullopt;
  if (std::string problem = text_problem(node, place, rule); !problem.empty()) {
    place.error(std::move(problem));
    return std::nullopt;
  }
  return node.text;
}

std::optional<std::size_t> get_choice(const Node& node, const Place& place,
                                      const std::vector<std::string>& names) {
  if (reject_collection(node, place, "one of " + show(names))) return std::nullopt;
  const auto found = std::find(names.begin(), names.end(), node.text);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string_view near = nearest(node.text, views);
  place.error(shown(node, place) + " is not one of " + show(names) +
              (near.empty() ? std::string() : "; did you mean " + std::string(near) + "?"));
  return std::nullopt;
}

std::vector<std::string> get_texts(const Node& node, const Place& place, const TextRule& rule) {
  std::vector<std::string> texts;
  for_each_item(node, place, [&](const Node& item, const Place& inner) {
    if (std::optional<std::string> text = get_text(item, inner, rule)) {
      texts.push_back(std::move(*text));
    }
  });
  return texts;
}

std::map<std::string, std::string> get_text_map(const Node& node, const Place& place,
                                                const TextRule& rule) {
  std::map<std::string, std::string> texts;
  if (node.kind != Node::Kind::map && node.kind != Node::Kind::null) {
    place.error("expected a map of texts, found " + std::string(describe(node.kind)));
    return texts;
  }
  for (const Entry& entry : node.entries) {
    if (std::optional<std::string> text = get_text(*entry.value, place.key(entry), rule)) {
      texts.emplace(entry.key, std::move(*text));
    }
  }
  return texts;
}

void get_free_form(const Node& node, const Place& place, nlohmann::json& value) {
  if (node.kind == Node::Kind::null) {
    value = nlohmann::json::object();
  } else if (node.kind != Node::Kind::map) {
    place.error("expected a map, found " + std::string(describe(node.kind)));
  } else {
    value = to_json(node, place.path, *place.secrets, *place.issues);
  }
}

void for_each_item(const Node& node, const Place& place,
                   const std::function<void(const Node&, const Place&)>& function) {
  if (node.kind == Node::Kind::null) return;
  if (node.kind != Node::Kind::list) {
    place.error("expected a list, each item after \"- \", found " +
                std::string(describe(node.kind)));
    return;
  }
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    function(*node.items[i], place.item(i, *node.items[i]));
  }
}

}  // namespace busway::config
