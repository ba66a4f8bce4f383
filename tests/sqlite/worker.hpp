// worker.hpp -- what the verbs of the worker share.
#pragma once

#include <dlfcn.h>

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

/// What was loaded before libc, if it was.
struct FailingDisk {
  static long syncs() {
    static const auto ask = reinterpret_cast<long (*)()>(dlsym(RTLD_DEFAULT, "busway_disk_syncs"));
    return ask != nullptr ? ask() : 0;
  }
  /// Since it was asked last, on this thread.
  static bool has_failed_here() {
    static const auto ask = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "busway_disk_failed"));
    return ask != nullptr && ask() != 0;
  }
};

/// worker_places.cpp. In a name space of its own: the disk goes with the process.
bool make_small_disk(const char* folder);
int read_only(const std::string& folder);
int unwritable(const std::string& folder);
/// Becomes the program; kNoDisk where no disk can be made.
inline constexpr int kNoDisk = 77;
int run_on_read_only(const std::string& file, const std::string& state, char** program);

/// worker_life.cpp
int live(const char* address, const char* durability, const char* backup);

}  // namespace busway::worker
