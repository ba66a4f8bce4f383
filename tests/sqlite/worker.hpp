// worker.hpp -- what the verbs of the worker share.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "busway/event.hpp"
#include "busway/log.hpp"
#include "busway/store_info.hpp"

namespace busway::worker {

inline LogSink quiet_sink() {
  return [](LogLevel, std::string_view, std::span<const LogField>) {};
}

inline Durability durability_named(std::string_view name) {
  return name == "normal" ? Durability::process_crash : Durability::power_loss;
}

inline Payload payload_of(std::uint64_t number) {
  return bytes(std::string_view(reinterpret_cast<const char*>(&number), sizeof number));
}
inline Event event_of(std::uint64_t number) { return Event("number.made", payload_of(number)); }
inline Event event_of(std::uint64_t number, EventId id) {
  return Event("number.made", payload_of(number),
               {.id = id, .time = WallTime(std::chrono::nanoseconds(1))});
}

inline std::uint64_t number_of(const Event& event) {
  std::uint64_t number = 0;
  if (event.bytes().size() == 8) std::memcpy(&number, event.bytes().data(), 8);
  return number;
}

/// worker_places.cpp. In a name space of its own: the disk goes with the process.
bool make_small_disk(const char* folder);
int read_only(const std::string& folder);
int unwritable(const std::string& folder);

/// worker_life.cpp
int live(const char* address, const char* durability, const char* backup);

}  // namespace busway::worker
