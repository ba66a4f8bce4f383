// config/store_address.hpp -- addresses of stores: sqlite:PATH, redis://HOST and the like.
// Layer: config
//
// Model      An address names a provider and fills in that provider's section.
// Threads    [any-thread]
// Errors     As a value: the sentence that says what is wrong, empty when nothing is. It shows no
//            password.
// Cost       O(length of the address).
#pragma once

#include <string>
#include <string_view>

#include "config/broker_section.hpp"

namespace busway::config {

/// Whether the text is meant as an address rather than as the bare name of a provider.
[[nodiscard]] bool looks_like_address(std::string_view text) noexcept;

/// Sets broker.provider and the fields of its section that the address names.
[[nodiscard]] std::string apply_address(std::string_view address, BrokerSection& broker);

}  // namespace busway::config
