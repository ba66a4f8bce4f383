#include "host/plugin_paths.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/escape.hpp"
#include "base/nearest.hpp"
#include "busway/error.hpp"
#include "plugin/manifest.hpp"

namespace busway::host_detail {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNamesListedMax = 1000;

/// Links resolved as far as the path exists.
fs::path resolved(const fs::path& path) {
  std::error_code error;
  fs::path found = fs::weakly_canonical(path, error);
  return error ? fs::absolute(path).lexically_normal() : found;
}

bool lies_in(const fs::path& real, const fs::path& folder) {
  const fs::path base = resolved(folder);
  const auto [end, rest] = std::mismatch(base.begin(), base.end(), real.begin(), real.end());
  // A folder written with a slash at its end has an empty last part.
  return end == base.end() || (end->empty() && std::next(end) == base.end());
}

std::vector<fs::path> all_folders(const PluginPlaces& places) {
  std::vector<fs::path> all{places.config_folder};
  all.insert(all.end(), places.folders.begin(), places.folders.end());
  return all;
}

/// The names by which the libraries of these folders could be called.
std::vector<std::string> names_in(const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  for (const fs::path& folder : folders) {
    std::error_code error;
    for (fs::directory_iterator file(folder, error), end; !error && file != end;
         file.increment(error)) {
      if (file->path().extension() != ".so" || names.size() == kNamesListedMax) continue;
      std::string stem = file->path().stem().string();
      if (stem.starts_with("lib")) names.push_back(stem.substr(3));
      names.push_back(std::move(stem));
    }
  }
  return names;
}

[[noreturn]] void not_found(const std::string& name, const std::vector<fs::path>& folders) {
  std::string message =
      "there is no plugin library " + quote(name) + "; looked for it as .so and lib*.so in ";
  for (std::size_t i = 0; i < folders.size(); ++i) {
    message += (i == 0 ? "" : ", ") + quote(folders[i].string());
  }
  const std::vector<std::string> names = names_in(folders);
  const std::vector<std::string_view> views(names.begin(), names.end());
  if (const std::string_view near = nearest(name, views); !near.empty()) {
    message += "; did you mean " + quote(near) + "?";
  }
  throw Error(ErrorCode::bad_plugin_file, message);
}

std::string find_by_name(const std::string& name, const PluginPlaces& places) {
  const std::vector<fs::path> folders = all_folders(places);
  const bool whole = name.ends_with(".so") || plugin_host_detail::names_manifest(name);
  const std::string file = whole ? name : name + ".so";
  for (const fs::path& folder : folders) {
    for (const std::string& candidate : {file, "lib" + file}) {
      std::error_code error;
      if (fs::exists(fs::symlink_status(folder / candidate, error)))
        return (folder / candidate).string();
    }
  }
  not_found(name, folders);
}

}  // namespace

std::string find_plugin(const std::string& path, const PluginPlaces& places) {
  const bool bare = path.find('/') == std::string::npos;
  const fs::path meant =
      bare ? fs::path(find_by_name(path, places)) : fs::path(places.config_folder) / path;
  const fs::path real = resolved(meant);
  std::vector<fs::path> allowed = all_folders(places);
  if (fs::path(path).is_absolute()) allowed = {meant.parent_path()};
  const bool inside = std::any_of(allowed.begin(), allowed.end(),
                                  [&](const fs::path& folder) { return lies_in(real, folder); });
  if (!inside) {
    throw Error(ErrorCode::bad_plugin_file,
                "the plugin file " + quote(path) +
                    " leads out of the folders that plugins may lie in: it is " +
                    quote(real.string()) + ", outside " + quote(allowed.front().string()) +
                    "; move it there, or name its real place as an absolute path");
  }
  return real.string();
}

}  // namespace busway::host_detail
