#include "config/plugin_section.hpp"

#include "config/rules_section.hpp"

namespace busway::config {
namespace {

constexpr std::string_view kNameLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

TextRule name_rule(std::string form) {
  return {.bytes_min = 1,
          .bytes_max = 128,
          .letters = std::string(kNameLetters),
          .form = std::move(form)};
}

Section<PluginSection> make_plugin_section() {
  Section<PluginSection> section("Plugins to load, in this order where nothing else orders them.");
  section
      .text("path", &PluginSection::path,
            {.bytes_min = 1, .bytes_max = 4095, .letters = {}, .form = "a path"},
            "Shared library, or its manifest; relative to the folder of this file.")
      .text("static", &PluginSection::static_name, name_rule("a name of letters, digits and _ - ."),
            "Name of a plugin that is linked in, in place of path.")
      .text("id", &PluginSection::id, name_rule("a name of letters, digits and _ - ."),
            "Its name on the bus; no two plugins share one.")
      .when_unset("the plugin's own")
      .boolean("enabled", &PluginSection::enabled, "false leaves it out.")
      .free_form("config", &PluginSection::config, "Whatever the plugin understands.")
      .include(&PluginSection::rules, rules_section())
      .not_yet("sync", "Whether the publisher waits for it.")
      .check([](PluginSection& plugin, const Checker& checker) {
        if (plugin.path.empty() && plugin.static_name.empty()) {
          checker.error("",
                        "needs path (a shared library) or static (the name of a plugin linked in)");
        } else if (!plugin.path.empty() && !plugin.static_name.empty()) {
          checker.error("static", "path and static exclude each other; remove one");
        }
      });
  return section;
}

}  // namespace

const Section<PluginSection>& plugin_section() {
  static const Section<PluginSection> section = make_plugin_section();
  return section;
}

}  // namespace busway::config
