// What other threads and processes do in their own time.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace busway {

/// Spins until it holds; false after a minute, which only a broken build needs.
inline bool eventually(const std::function<bool()>& holds) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace busway
