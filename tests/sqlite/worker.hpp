// worker.hpp -- what the verbs of the worker share.
#pragma once

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "busway/error.hpp"
#include "busway/event.hpp"
#include "busway/log.hpp"
#include "busway/store_provider.hpp"

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

inline std::shared_ptr<Store> open_quietly(const std::string& address, StoreOptions with = {}) {
  with.log = quiet_sink();
  return open_store(address, with);
}
/// Null where it is refused, which is printed.
inline std::shared_ptr<Store> open_or_tell(const char* address, const char* durability) {
  try {
    return open_quietly(address, {.durability = durability_named(durability)});
  } catch (const Error& error) {
    std::printf("refused %s\n", error.what());
    return nullptr;
  }
}

inline void wait_for_end_of_input() {
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
}

/// What other threads bring about, and one waits for.
class Changes {
 public:
  void tell() {
    const std::lock_guard lock(mutex_);
    ++told_;
    changed_.notify_all();
  }
  /// Looks now, and whenever it was told; false after so long.
  bool wait_until(const std::function<bool()>& holds, std::chrono::seconds most) {
    const auto deadline = std::chrono::steady_clock::now() + most;
    std::unique_lock lock(mutex_);
    for (;;) {
      const std::uint64_t before = told_;
      lock.unlock();
      if (holds()) return true;
      lock.lock();
      if (!changed_.wait_until(lock, deadline, [&] { return told_ != before; })) return false;
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t told_ = 0;
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
