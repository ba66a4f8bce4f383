#include "busway/error.hpp"

#include <array>
#include <cstddef>

namespace busway {
namespace {

struct Row {
  std::string_view name;
  std::string_view text;
  bool retryable;
  Fault fault;
};

constexpr bool yes = true;
constexpr bool no = false;

constexpr std::array kRows{
#define BUSWAY_ERROR(name, text, retryable, fault) Row{#name, text, retryable, Fault::fault},
#include "busway/error_codes.def"
#undef BUSWAY_ERROR
};

const Row& row(ErrorCode code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  return index < kRows.size() ? kRows[index] : kRows.back();
}

}  // namespace

std::string_view to_string(ErrorCode code) noexcept { return row(code).name; }

std::optional<ErrorCode> parse_error_code(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name == text) return static_cast<ErrorCode>(i);
  }
  return std::nullopt;
}

std::string_view to_string(Fault fault) noexcept {
  switch (fault) {
    case Fault::caller: return "caller";
    case Fault::handler: return "handler";
    case Fault::system: return "system";
    case Fault::config: return "config";
    case Fault::plugin: return "plugin";
  }
  return "system";
}

std::string_view explain(ErrorCode code) noexcept { return row(code).text; }

bool is_retryable(ErrorCode code) noexcept { return row(code).retryable; }

Fault fault_of(ErrorCode code) noexcept { return row(code).fault; }

}  // namespace busway
