// host/host_config.hpp -- the configuration file as the host understands it.
// Layer: host
//
// Model      The sections of layer config, the patterns in plugins' configurations, and what
//            follows for the bus. ${BUSWAY_CONFIG_DIR} is the folder of the file.
// Threads    [any-thread]
// Errors     To issues; ConfigError when the file itself cannot be read.
// Cost       Reads and parses the file once.
#pragma once

#include <string>
#include <vector>

#include "busway/bus_options.hpp"
#include "busway/check_config.hpp"
#include "config/config.hpp"

namespace busway::host_detail {

struct HostConfig {
  config::Config values{};
  config::Document document{};
  std::vector<PatternReading> patterns{};
  std::string folder{};  // of the file, absolute
};

/// The words are further ones that mark a key as secret.
[[nodiscard]] HostConfig read_host_config(const std::string& path, config::Issues& issues,
                                          const std::vector<std::string>& secret_keys = {});

/// What is wrong with the provider in this version, at its line; empty when it is offered.
[[nodiscard]] std::vector<ConfigIssue> provider_issues(const HostConfig& config);

/// Where what is asked of the provider is not what it does: of one that is given elsewhere nothing
/// can be said here.
[[nodiscard]] std::vector<ConfigIssue> durability_issues(const HostConfig& config);

[[nodiscard]] BusOptions bus_options(const HostConfig& config, const InitializeOptions& options);

[[nodiscard]] Wildcards to_wildcards(config::WildcardKind kind) noexcept;

/// The paths of the keys whose values differ, in the order of the alphabet.
[[nodiscard]] std::vector<std::string> changed_keys(const config::Document& before,
                                                    const config::Document& after);

}  // namespace busway::host_detail
