#include "plugin/static_plugins.hpp"

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/escape.hpp"
#include "base/nearest.hpp"
#include "busway/error.hpp"
#include "busway/plugin_import.hpp"

namespace busway {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<std::string, busway_plugin_entry_fn, std::less<>> entries;
};

Registry& registry() {
  static Registry one;
  return one;
}

}  // namespace

ImportedPlugin::ImportedPlugin(const char* name, busway_plugin_entry_fn entry) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.entries.insert_or_assign(name, entry);
}

std::vector<std::string> imported_plugins() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::vector<std::string> names;
  for (const auto& [name, entry] : all.entries) names.push_back(name);
  return names;
}

namespace plugin_host_detail {

busway_plugin_entry_fn find_static_plugin(std::string_view name) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  if (const auto found = all.entries.find(name); found != all.entries.end()) return found->second;
  std::vector<std::string_view> names;
  for (const auto& entry : all.entries) names.push_back(entry.first);
  const std::string_view near = nearest(name, names);
  throw Error(ErrorCode::not_found,
              "no plugin " + quote(name) +
                  " is linked into this program; name it with "
                  "BUSWAY_IMPORT_PLUGIN" +
                  (near.empty() ? std::string() : " (did you mean " + quote(near) + "?)"));
}

}  // namespace plugin_host_detail
}  // namespace busway
