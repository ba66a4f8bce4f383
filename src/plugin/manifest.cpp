#include "plugin/manifest.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"
#include "config/config.hpp"
#include "config/rules_section.hpp"
#include "plugin/plugin_image.hpp"

namespace busway::plugin_host_detail {
namespace {

namespace fs = std::filesystem;
using config::Checker;
using config::Node;
using config::Place;
using config::Section;
using config::TextRule;

constexpr std::size_t kRequiredMax = 256;
constexpr std::size_t kPatternsMax = limits::kPatternsPerSubscriptionMax;

TextRule id_rule() {
  return {.bytes_min = 1,
          .bytes_max = 64,
          .letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.",
          .form = "an id of letters, digits and _ - ."};
}

void read_library(const Node& node, Manifest& manifest, const Place& place) {
  const auto name =
      get_text(node, place, {.bytes_min = 1, .bytes_max = 255, .letters = {}, .form = "a name"});
  if (!name) return;
  if (name->find('/') != std::string::npos || *name == "." || *name == "..") {
    place.error(quote(*name) + " is a path; name a file that stands beside the manifest");
    return;
  }
  manifest.library = *name;
}

void read_sum(const Node& node, Manifest& manifest, const Place& place) {
  constexpr std::size_t kDigits = 64;
  const auto text = get_text(node, place,
                             {.bytes_min = 1,
                              .bytes_max = 256,
                              .letters = "0123456789abcdefABCDEF",
                              .form = "hexadecimal digits"});
  if (!text) return;
  if (text->size() != kDigits) {
    place.error("has " + std::to_string(text->size()) + " digits; a SHA-256 has " +
                std::to_string(kDigits) + ", as sha256sum writes them");
    return;
  }
  manifest.sha256 = *text;
  std::transform(text->begin(), text->end(), manifest.sha256.begin(), [](char c) {
    return c >= 'A' && c <= 'F' ? static_cast<char>(c + 'a' - 'A') : c;
  });
}

void read_range(const Node& node, RequiredPlugin& required, const Place& place) {
  const auto text =
      get_text(node, place,
               {.bytes_min = 1, .bytes_max = 256, .letters = {}, .form = "a range of versions"});
  if (!text) return;
  try {
    required.version.emplace(*text);
  } catch (const Error& error) {
    place.error(error.what());
  }
}

const Section<RequiredPlugin>& required_section() {
  static const Section<RequiredPlugin> section = [] {
    Section<RequiredPlugin> made("A plugin that must have started.");
    made.text("id", &RequiredPlugin::id, id_rule(), "Its id.")
        .required()
        .custom({.path = "version",
                 .type = "text",
                 .values = "a range such as \">=1.2 <2\"",
                 .default_text = "any",
                 .doc = "Which versions of it will do."},
                read_range);
    return made;
  }();
  return section;
}

void read_required(const Node& node, Manifest& manifest, const Place& place) {
  std::set<std::string> seen;
  for_each_item(node, place, [&](const Node& item, const Place& at) {
    RequiredPlugin required;
    const std::size_t before = at.issues->errors();
    if (item.kind == Node::Kind::map) {
      required_section().read(item, required, at);
    } else if (auto id = get_text(item, at, id_rule())) {
      required.id = *id;
    }
    if (at.issues->errors() != before) return;
    if (!seen.insert(required.id).second) {
      at.error(quote(required.id) + " is required above already");
    } else if (seen.size() > kRequiredMax) {
      at.error("more than " + std::to_string(kRequiredMax) + " plugins are required");
    } else {
      manifest.required.push_back(std::move(required));
    }
  });
}

const Section<PluginRules>& topics_section() {
  static const Section<PluginRules> section = [] {
    const TextRule rule{.bytes_min = 1,
                        .bytes_max = limits::kPatternBytesMax + 8,
                        .letters = {},
                        .form = "patterns"};
    Section<PluginRules> made("What it may do.");
    made.texts("publish", &PluginRules::may_publish, rule,
               "Topics that it may publish and request; once given, no others.")
        .when_unset("all")
        .texts("subscribe", &PluginRules::may_subscribe, rule,
               "Topics that it may listen to; once given, no others.")
        .when_unset("all");
    return made;
  }();
  return section;
}

Section<Manifest> make_section() {
  Section<Manifest> section("What a plugin is and how it is run.");
  section.text("id", &Manifest::id, id_rule(), "What the library calls itself.")
      .when_unset("not compared")
      .text("version", &Manifest::version,
            {.bytes_min = 1, .bytes_max = 128, .letters = {}, .form = "a version"},
            "The version of the library.")
      .when_unset("not compared")
      .custom({.path = "library",
               .type = "text",
               .values = "a name",
               .default_text = "the file it stands beside",
               .doc = "The shared library, a file beside the manifest."},
              read_library)
      .integer("abi", &Manifest::abi, {1, 65'535}, "The ABI version that the library speaks.")
      .when_unset("not compared")
      .custom({.path = "sha256",
               .type = "text",
               .values = "64 hexadecimal digits",
               .default_text = "not compared",
               .doc = "The sum of the library's bytes."},
              read_sum)
      .custom({.path = "requires",
               .type = "list",
               .values = "ids, or maps of id and version",
               .default_text = {},
               .doc = "Plugins that must have started before it."},
              read_required)
      .free_form("config", &Manifest::config, "Its configuration where the host gives none.")
      .include(&Manifest::rules, config::rules_section())
      .include(&Manifest::rules, topics_section());
  return section;
}

void check_patterns(const std::optional<std::vector<std::string>>& patterns, const std::string& key,
                    Wildcards wildcards, const Checker& checker) {
  if (!patterns) return;
  if (patterns->size() > kPatternsMax) {
    checker.error(key, "has " + std::to_string(patterns->size()) + " patterns; at most " +
                           std::to_string(kPatternsMax) + " can be given");
    return;
  }
  for (std::size_t i = 0; i < patterns->size(); ++i) {
    try {
      (void)Pattern::parse((*patterns)[i], wildcards);
    } catch (const Error& error) {
      checker.error(key + '[' + std::to_string(i) + ']', error.what());
    }
  }
}

void check_library(const Manifest& manifest, std::string_view library, const Checker& checker) {
  if (library.empty() && manifest.library.empty()) {
    checker.error("library",
                  "is missing: a plugin that is loaded by its manifest needs the name of its "
                  "library there");
  } else if (!library.empty() && !manifest.library.empty() && manifest.library != library) {
    checker.error("library", "is " + quote(manifest.library) + ", but the manifest stands beside " +
                                 quote(library) +
                                 "; name that one, or load the plugin by its manifest");
  }
}

}  // namespace

const Section<Manifest>& manifest_section() {
  static const Section<Manifest> section = make_section();
  return section;
}

bool names_manifest(std::string_view path) noexcept { return path.ends_with(kManifestSuffix); }

std::string manifest_path(const std::string& library) {
  return fs::path(library).replace_extension().string() + std::string(kManifestSuffix);
}

std::string find_manifest(const std::string& path) {
  if (path.empty() || path.starts_with(kStaticPrefix) || path.find('\0') != std::string::npos) {
    return {};
  }
  if (names_manifest(path)) return path;
  std::string file = manifest_path(path);
  std::error_code error;
  // One that is there and cannot be read is an error, not none.
  return fs::symlink_status(file, error).type() == fs::file_type::not_found ? std::string() : file;
}

std::shared_ptr<const Manifest> read_manifest(const std::string& file, std::string_view library,
                                              Wildcards wildcards) {
  config::Issues issues(file);
  config::Document document = config::open_document(file, {}, issues);
  auto manifest = std::make_shared<Manifest>();
  const Place place{.issues = &issues, .secrets = &document.secrets};
  if (document.root != nullptr) manifest_section().read(*document.root, *manifest, place);
  issues.throw_if_errors();
  const Checker checker(*document.root, place);
  check_library(*manifest, library, checker);
  check_patterns(manifest->rules.may_publish, "publish", wildcards, checker);
  check_patterns(manifest->rules.may_subscribe, "subscribe", wildcards, checker);
  issues.throw_if_errors();
  manifest->file = file;
  manifest->warnings = issues.sorted();
  return manifest;
}

PluginFiles find_files(const std::string& path, Wildcards wildcards) {
  const std::string file = find_manifest(path);
  if (file.empty()) return {.library = path};
  if (!names_manifest(path)) {
    return {.library = path,
            .manifest = read_manifest(file, fs::path(path).filename().string(), wildcards)};
  }
  PluginFiles files{.manifest = read_manifest(file, {}, wildcards)};
  files.library = (fs::path(path).parent_path() / files.manifest->library).string();
  return files;
}

}  // namespace busway::plugin_host_detail
