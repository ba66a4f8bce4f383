#include "settings.hpp"

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace console {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& key, const std::string& wanted, const json& value) {
  throw std::invalid_argument(key + ": " + wanted + " is wanted, not " +
                              value.dump(-1, ' ', true, json::error_handler_t::replace));
}

std::string read_text(const std::string& key, const json& value) {
  if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
    refuse(key, "a text", value);
  }
  return value.get<std::string>();
}

std::vector<std::string> read_texts(const std::string& key, const json& value) {
  if (value.is_string()) return {read_text(key, value)};
  if (!value.is_array() || value.empty()) refuse(key, "a text or a list of texts", value);
  std::vector<std::string> texts;
  for (const json& one : value) texts.push_back(read_text(key, one));
  return texts;
}

std::uint32_t read_bytes(const std::string& key, const json& value) {
  const std::string wanted = "a whole number from " + std::to_string(kLineBytesMin) + " to " +
                             std::to_string(kLineBytesMax);
  if (!value.is_number_integer()) refuse(key, wanted, value);
  const auto number = value.get<std::int64_t>();
  if (number < kLineBytesMin || number > kLineBytesMax) refuse(key, wanted, value);
  return static_cast<std::uint32_t>(number);
}

}  // namespace

Settings read_settings(const json& config) {
  Settings out;
  const std::map<std::string, std::function<void(const std::string&, const json&)>> readers{
      {"input", [&](auto& key, auto& value) { out.input = read_text(key, value); }},
      {"line_bytes_max",
       [&](auto& key, auto& value) { out.line_bytes_max = read_bytes(key, value); }},
      {"name", [&](auto& key, auto& value) { out.name = read_text(key, value); }},
      {"patterns", [&](auto& key, auto& value) { out.patterns = read_texts(key, value); }},
      {"sample", [&](auto& key, auto& value) { out.sample = read_text(key, value); }},
      {"secret_keys", [&](auto& key, auto& value) { out.secret_keys = read_texts(key, value); }},
  };
  for (const auto& [key, value] : config.items()) {
    const auto reader = readers.find(key);
    if (reader == readers.end()) {
      throw std::invalid_argument("unknown key \"" + key +
                                  "\"; the console knows input, "
                                  "line_bytes_max, name, patterns, sample and secret_keys");
    }
    reader->second(key, value);
  }
  return out;
}

}  // namespace console
