// The words of the small enums of stores.
#include <array>
#include <cstddef>

#include "busway/append_request.hpp"
#include "busway/durable_spec.hpp"
#include "busway/store_info.hpp"

namespace busway {
namespace {

constexpr std::array<std::string_view, 3> kDurabilities{"memory", "process_crash", "power_loss"};
constexpr std::array<std::string_view, 4> kAnswers{"unknown", "stored", "duplicate", "not_stored"};
constexpr std::array<std::string_view, 3> kOrders{"relaxed", "key", "strict"};

template <class Enum, std::size_t N>
std::string_view word_of(const std::array<std::string_view, N>& words, Enum value) noexcept {
  const auto index = static_cast<std::size_t>(value);
  return index < N ? words[index] : std::string_view("invalid");
}

}  // namespace

std::string_view to_string(Durability durability) noexcept {
  return word_of(kDurabilities, durability);
}
std::string_view to_string(Appended appended) noexcept { return word_of(kAnswers, appended); }
std::string_view to_string(DurableOrder order) noexcept { return word_of(kOrders, order); }

}  // namespace busway
