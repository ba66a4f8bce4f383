// bounds.hpp -- what strangers can make long is not kept as long as they like.
//
// Model      A name, be it of a user, an address or a session, of more than kNameBytesMax is kept
//            as "sha256:" and its hash, so that the same name stays the same. A list of the state
//            takes entries until its text would be longer than it may be.
// Threads    Values.
// Ownership  None.
// Errors     std::runtime_error when the machine's OpenSSL offers no SHA-256.
// Cost       One SHA-256 of a name that is too long; an entry of a list is written once more.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "shared/sha256.hpp"

namespace auth_guard {

inline constexpr std::size_t kNameBytesMax = 256;

[[nodiscard]] inline std::string bounded_name(std::string name) {
  return name.size() <= kNameBytesMax ? std::move(name) : "sha256:" + shared::sha256(name);
}

/// Of each list of the state; there are four, and a host takes 64 MiB.
inline constexpr std::size_t kListBytesMax = std::size_t{12} << 20U;

class BoundedList {
 public:
  explicit BoundedList(std::size_t bytes_max) : left_(bytes_max) {}

  /// False when there is no room.
  bool add(nlohmann::json entry) {
    using Json = nlohmann::json;
    const std::size_t size = entry.dump(-1, ' ', false, Json::error_handler_t::replace).size() + 1;
    if (size > left_) return false;
    left_ -= size;
    list_.push_back(std::move(entry));
    return true;
  }

  [[nodiscard]] nlohmann::json take() { return std::move(list_); }

 private:
  std::size_t left_;
  nlohmann::json list_ = nlohmann::json::array();
};

}  // namespace auth_guard
