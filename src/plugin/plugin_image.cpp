#include "plugin/plugin_image.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <system_error>
#include <utility>

#include "base/deadline.hpp"
#include "base/escape.hpp"
#include "base/sha256.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"
#include "platform/elf_check.hpp"
#include "plugin/isolation/probe.hpp"
#include "plugin/isolation/process/child_host.hpp"
#include "plugin/manifest.hpp"
#include "plugin/static_plugins.hpp"

namespace busway::plugin_host_detail {
namespace {

constexpr std::size_t kTableBytesMin =
    offsetof(busway_plugin_api, on_event) + sizeof(busway_plugin_api::on_event);
constexpr std::size_t kRequiresMax = 256;
constexpr std::size_t kMessageBytesMax = 600;

[[nodiscard]] std::string stem_of(const std::string& path) {
  std::string stem = path.substr(path.rfind('/') + 1);
  stem = stem.substr(0, stem.find('.'));
  std::erase_if(stem, [](char c) { return !is_plugin_id({&c, 1}); });
  return stem.empty() ? "plugin" : stem;
}

[[nodiscard]] std::string join(const std::vector<std::string>& names, std::size_t max) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), max); ++i) {
    out += (i == 0 ? "" : ", ") + escape(names[i], 100);
  }
  if (names.size() > max) out += " and " + std::to_string(names.size() - max) + " more";
  return out;
}

}  // namespace

bool is_plugin_id(std::string_view text) noexcept {
  constexpr std::size_t kIdBytesMax = 64;
  return !text.empty() && text.size() <= kIdBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

PluginImage::PluginImage(const std::string& path, const platform_detail::PathRules& rules,
                         std::shared_ptr<const Manifest> manifest)
    : path_(path), manifest_(std::move(manifest)) {
  if (path.empty()) {
    throw Error(ErrorCode::bad_plugin_file,
                "the plugin's path is empty; it names a shared library");
  }
  if (path.find('\0') != std::string::npos) fail("has a zero byte in its name");
  if (path.starts_with(kStaticPrefix)) {
    static_entry_ = find_static_plugin(path.substr(kStaticPrefix.size()));
    return;
  }
  if (std::string problem = library_.read(path, stem_of(path), rules); !problem.empty()) {
    fail(problem);
  }
  check_sum();
  check_file();
}

PluginImage::PluginImage(platform_detail::Descriptor copy, const wire::Opening& opening)
    : path_(opening.path) {
  if (std::string problem = library_.adopt(std::move(copy), opening.path, opening.image_name);
      !problem.empty()) {
    fail(problem);
  }
  check_file();
}

bool PluginImage::is_vouched_for() const noexcept {
  return manifest_ != nullptr && !manifest_->sha256.empty();
}

void PluginImage::check_file() {
  platform_detail::ElfReport report =
      platform_detail::check_library(library_.bytes(), BUSWAY_ENTRY_SYMBOL);
  if (report.lacks_symbol) {
    fail(report.problem +
         "; end it with BUSWAY_PLUGIN(YourClass), or define the function in C, and "
         "build it with busway_add_plugin()");
  }
  if (!report.problem.empty()) fail(report.problem);
  library_path_ = std::move(report.library_path);
  if (!report.unique_symbols.empty()) {
    warnings_.push_back("the library has unique symbols (" + join(report.unique_symbols, 3) +
                        "), which keep it mapped for ever once opened; build it with "
                        "busway_add_plugin(), or with -fno-gnu-unique");
  }
  std::erase(report.exported, BUSWAY_ENTRY_SYMBOL);
  if (!report.exported.empty()) {
    warnings_.push_back("the library exports more than its entry (" + join(report.exported, 3) +
                        "); what other libraries of the same names then use is chance: build it "
                        "with busway_add_plugin()");
  }
}

// -- In another process ---------------------------------------------------------------------------

wire::Opening PluginImage::opening(const PluginRules& rules) const {
  wire::Opening opening;
  opening.path = library_.real_path();
  opening.image_name = library_.image_name();
  opening.memory_bytes_max = rules.memory_bytes_max.value_or(0);
  opening.open_files_max = rules.open_files_max.value_or(0);
  opening.cpu_seconds_max =
      static_cast<std::uint64_t>(rules.cpu_time_max.value_or(std::chrono::seconds(0)).count());
  opening.state_bytes_max = rules.state_bytes_max.value_or(limits::kPluginStateBytesMax);
  return opening;
}

void PluginImage::isolate(const std::string& program, const PluginRules& rules,
                          std::chrono::nanoseconds call_timeout, std::size_t payload_bytes_max,
                          std::function<void()> on_gone) {
  if (is_static()) {
    throw Error(ErrorCode::plugin_state,
                "the plugin " + quote(path_) +
                    " is linked into the program; only one from a file can have a process of its "
                    "own (isolation: process)");
  }
  child_ =
      std::make_unique<ChildPlugin>(ChildPlugin::Options{.program = program,
                                                         .library = library_.descriptor(),
                                                         .opening = opening(rules),
                                                         .rules = rules,
                                                         .call_timeout = call_timeout,
                                                         .payload_bytes_max = payload_bytes_max,
                                                         .on_gone = std::move(on_gone)});
}

void PluginImage::probe(const std::string& program, std::chrono::nanoseconds timeout) const {
  if (is_static()) return;
  const auto fail_to = [this](const std::string& what) {
    fail("was tried out in a process of its own, which " + what);
  };
  std::string words;
  bool other_abi = false;
  try {
    const ProbeResult result = probe_in_process(program, library_.real_path(),
                                                library_.descriptor(), deadline_after(timeout));
    if (!result.end) return fail_to("did not come back in time and was killed");
    const bool well = result.end->signal == 0 && result.end->code == 0;
    if (well && result.words == kProbedGood) return;
    other_abi = result.end->code == kProbedOtherAbi;
    // Well with words: nobody knows how it ended, for the program collects all its children.
    if (result.end->signal == 0 && (well || other_abi || result.end->code == kProbedBadFile) &&
        !result.words.empty()) {
      words = escape(result.words, kMessageBytesMax);
    } else {
      fail_to(platform_detail::to_words(*result.end));
    }
  } catch (const std::system_error& error) {
    throw Error(ErrorCode::plugin_failed,
                "the plugin file " + quote(path_) + " could not be tried out: " + error.what());
  }
  throw Error(other_abi ? ErrorCode::plugin_abi : ErrorCode::bad_plugin_file, words);
}

busway_status PluginImage::create(const busway_host_api& api, busway_host* host,
                                  busway_plugin** out) const {
  return child_ != nullptr ? child_->create(api, host, out) : api_->create(&api, host, out);
}

// -- Its table ------------------------------------------------------------------------------------

/// Of the copy that is going to be opened: what happens to the file now changes nothing.
void PluginImage::check_sum() const {
  if (manifest_ == nullptr) return;
  if (manifest_->abi && *manifest_->abi != BUSWAY_ABI) {
    fail_abi("speaks ABI version " + std::to_string(*manifest_->abi) + " by its manifest " +
             quote(manifest_->file) + ", this host speaks " + std::to_string(BUSWAY_ABI) +
             "; build the plugin with this host's busway/plugin.h");
  }
  if (manifest_->sha256.empty()) return;
  const std::string sum = sha256(library_.bytes());
  if (sum == manifest_->sha256) return;
  if (sum.empty())
    fail("cannot be compared with its manifest: this machine's OpenSSL has no SHA-256");
  constexpr std::size_t kShown = 12;
  fail("is not the one that its manifest " + quote(manifest_->file) +
       " tells of: its sha256 begins " + sum.substr(0, kShown) + ", the manifest says " +
       manifest_->sha256.substr(0, kShown) +
       "; build it again, or copy both files again, the manifest last");
}

void PluginImage::open() {
  if (child_ != nullptr) {
    child_->open();
    check_table(&child_->api());
    if (manifest_ != nullptr) check_manifest(child_->api());
    api_ = &child_->api();
    return;
  }
  const busway_plugin_entry_fn entry = find_entry();
  const busway_plugin_api* api = entry(BUSWAY_ABI, BUSWAY_ABI);
  if (api == nullptr) {
    fail_abi("speaks none of the ABI versions of this host (" + std::to_string(BUSWAY_ABI) +
             "): its entry function returned no table");
  }
  check_table(api);
  if (manifest_ != nullptr) check_manifest(*api);
  api_ = api;
}

busway_plugin_entry_fn PluginImage::find_entry() {
  if (static_entry_ != nullptr) return static_entry_;
  if (const std::string problem = library_.open(library_path_); !problem.empty()) fail(problem);
  void* address = library_.symbol(BUSWAY_ENTRY_SYMBOL);
  if (address == nullptr) {
    fail(std::string("is a shared library but no plugin: it does not define ") +
         BUSWAY_ENTRY_SYMBOL);
  }
  return reinterpret_cast<busway_plugin_entry_fn>(address);
}

void PluginImage::check_table(const busway_plugin_api* api) const {
  if (api->abi != BUSWAY_ABI) {
    fail_abi("speaks ABI version " + std::to_string(api->abi) + ", this host speaks " +
             std::to_string(BUSWAY_ABI) + "; build the plugin with this host's busway/plugin.h");
  }
  if (api->size < kTableBytesMin) {
    fail_abi("gives a table of " + std::to_string(api->size) + " bytes; ABI version " +
             std::to_string(BUSWAY_ABI) + " has at least " + std::to_string(kTableBytesMin));
  }
  if ((api->create == nullptr && child_ == nullptr) || api->destroy == nullptr ||
      api->on_event == nullptr) {
    fail_abi("gives a table without create, destroy or on_event; all three must be there");
  }
  const std::string_view id =
      api->id.data == nullptr ? std::string_view{} : std::string_view(api->id.data, api->id.size);
  if (!is_plugin_id(id)) {
    fail_abi("calls itself " + quote(id) + "; an id is 1 to 64 letters, digits, '_', '-' and '.'");
  }
  if (api->requires_count > kRequiresMax ||
      (api->requires_count != 0 && api->requires_ids == nullptr)) {
    fail_abi("requires " + std::to_string(api->requires_count) + " plugins; at most " +
             std::to_string(kRequiresMax) + " can be named");
  }
}

void PluginImage::check_manifest(const busway_plugin_api& api) const {
  const auto compare = [&](const char* what, const busway_view& view, const std::string& said) {
    const std::string_view is =
        view.data == nullptr ? std::string_view{} : std::string_view(view.data, view.size);
    if (said.empty() || is == said) return;
    fail(std::string("gives itself the ") + what + ' ' + quote(is) + ", its manifest " +
         quote(manifest_->file) + " says " + quote(said) + "; they belong to different builds");
  };
  compare("id", api.id, manifest_->id);
  compare("version", api.version, manifest_->version);
}

bool PluginImage::close() {
  api_ = nullptr;
  if (child_ != nullptr) {
    child_->close();  // those who look may still ask it what it was
    return true;
  }
  return static_entry_ != nullptr || library_.close();
}

void PluginImage::fail(const std::string& problem) const {
  throw Error(ErrorCode::bad_plugin_file,
              "the plugin file " + quote(path_) + " " + escape(problem, kMessageBytesMax));
}

void PluginImage::fail_abi(const std::string& problem) const {
  throw Error(ErrorCode::plugin_abi,
              "the plugin file " + quote(path_) + " " + escape(problem, kMessageBytesMax));
}

}  // namespace busway::plugin_host_detail
