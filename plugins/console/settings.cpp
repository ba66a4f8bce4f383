#include "settings.hpp"

#include <nlohmann/json.hpp>

#include "shared/settings_reader.hpp"

namespace console {

Settings read_settings(const nlohmann::json& config) {
  Settings out;
  shared::read_settings("console", config, [&](shared::SettingsReader& in) {
    out.input = in.text("input", out.input);
    out.sample = in.text("sample", out.sample);
    out.name = in.text("name", out.name);
    out.patterns = in.texts("patterns", out.patterns);
    out.secret_keys = in.texts("secret_keys", out.secret_keys);
    out.line_bytes_max = static_cast<std::uint32_t>(
        in.integer("line_bytes_max", out.line_bytes_max, {kLineBytesMin, kLineBytesMax}));
  });
  return out;
}

}  // namespace console
