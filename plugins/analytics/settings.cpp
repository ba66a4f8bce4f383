#include "settings.hpp"

#include <cstdint>

#include "shared/settings_reader.hpp"

namespace analytics {
namespace {

using nlohmann::json;
using shared::SettingsReader;
using std::chrono::milliseconds;

constexpr std::size_t kFieldsMax = 64;
constexpr std::size_t kQuantilesMax = 16;

std::vector<MeasuredField> read_fields(SettingsReader& in) {
  std::vector<MeasuredField> fields;
  const json map = in.free_map("fields");
  if (map.size() > kFieldsMax) {
    in.refuse("fields", "a map of at most " + std::to_string(kFieldsMax) + " fields");
  }
  for (const auto& [name, patterns] : map.items()) {
    MeasuredField field{.name = name};
    try {
      if (name.starts_with('/')) (void)json::json_pointer(name);
    } catch (const json::exception&) {
      in.refuse("fields",
                "a key of a payload or a JSON pointer, such as /total/net, before each "
                "list of patterns");
    }
    SettingsReader::read_all(
        "fields", "fields.", {{name, patterns}},
        [&, &key = name](SettingsReader& one) { field.patterns = one.texts(key); });
    fields.push_back(std::move(field));
  }
  return fields;
}

std::vector<double> read_quantiles(SettingsReader& in, const json& config,
                                   std::vector<double> otherwise) {
  if (!in.has("quantiles")) return otherwise;
  const json& given = config.at("quantiles");
  const std::string wanted =
      "a list of 1 to " + std::to_string(kQuantilesMax) + " numbers from 0 to 1";
  if (!given.is_array() || given.empty() || given.size() > kQuantilesMax) {
    in.refuse("quantiles", wanted);
  }
  std::vector<double> quantiles;
  for (const json& one : given) {
    if (!one.is_number() || one.get<double>() < 0 || one.get<double>() > 1) {
      in.refuse("quantiles", wanted);
    }
    quantiles.push_back(one.get<double>());
  }
  return quantiles;
}

std::size_t read_count(SettingsReader& in, const std::string& key, std::size_t otherwise,
                       std::int64_t min, std::int64_t max) {
  return static_cast<std::size_t>(
      in.integer(key, static_cast<std::int64_t>(otherwise), {min, max}));
}

}  // namespace

const json* MeasuredField::find(const json& payload) const {
  if (!payload.is_object()) return nullptr;
  if (!name.starts_with('/')) {
    const auto found = payload.find(name);
    return found == payload.end() ? nullptr : &*found;
  }
  const json::json_pointer pointer(name);
  return payload.contains(pointer) ? &payload.at(pointer) : nullptr;
}

Settings read_settings(const json& config) {
  Settings out;
  shared::read_settings("analytics", config, [&](SettingsReader& in) {
    out.bucket = in.duration("bucket", out.bucket, {std::chrono::seconds(1), std::chrono::days(7)});
    out.keep = read_count(in, "keep", out.keep, 0, 10'000);
    out.topics = in.texts("topics", out.topics);
    out.fields = read_fields(in);
    out.quantiles = read_quantiles(in, config, out.quantiles);
    out.limits.topics_max = read_count(in, "topics_max", out.limits.topics_max, 1, 1'024);
    out.limits.series_max = read_count(in, "series_max", out.limits.series_max, 1, 1'024);
    out.executions_max = read_count(in, "executions_max", out.executions_max, 0, 100'000);
  });
  return out;
}

}  // namespace analytics
