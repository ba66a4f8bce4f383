// What the cases share: checks, a place with its openings, events, and ways of consuming.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "busway/error.hpp"
#include "busway/testing/store_conformance.hpp"

// Both show where and what; only BUSWAY_CHECK_EQ shows values.
#define BUSWAY_CHECK(condition)                                                                 \
  do {                                                                                          \
    if (!(condition)) ::busway::testing::conformance::fail(__FILE__, __LINE__, #condition, ""); \
  } while (false)
#define BUSWAY_CHECK_EQ(actual, expected)                                                     \
  ::busway::testing::conformance::check_equal((actual), (expected), #actual " == " #expected, \
                                              __FILE__, __LINE__)
/// The statement throws Error with this code.
#define BUSWAY_CHECK_ERROR(statement, wanted)                                        \
  ::busway::testing::conformance::check_error([&] { static_cast<void>(statement); }, \
                                              ErrorCode::wanted, #statement, __FILE__, __LINE__)

namespace busway::testing::conformance {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

[[noreturn]] void fail(const char* file, int line, const std::string& what,
                       const std::string& values);

template <class T>
std::string show(const T& value) {
  std::ostringstream out;
  if constexpr (std::is_enum_v<T>) {
    if constexpr (requires { to_string(value); }) {
      out << to_string(value);
    } else {
      out << static_cast<int>(value);
    }
  } else if constexpr (requires { value.time_since_epoch(); }) {
    out << value.time_since_epoch().count() << " ns";
  } else if constexpr (requires { out << value; }) {
    out << value;
  } else if constexpr (requires { value.has_value(); }) {
    out << (value ? show(*value) : std::string("nothing"));
  } else if constexpr (requires { to_string(value); }) {
    out << to_string(value);
  } else {
    out << "(" << sizeof(T) << " bytes)";
  }
  std::string text = out.str();
  if (text.size() > 200) text = text.substr(0, 200) + "...";
  return text;
}

template <class A, class B>
void check_equal(const A& actual, const B& expected, const char* what, const char* file, int line) {
  bool equal = false;
  if constexpr (std::is_integral_v<A> && std::is_integral_v<B> && !std::is_same_v<A, bool>) {
    equal = std::cmp_equal(actual, expected);
  } else {
    equal = actual == expected;
  }
  if (!equal) fail(file, line, what, "got " + show(actual) + ", expected " + show(expected));
}

template <class Call>
void check_error(const Call& call, ErrorCode code, const char* what, const char* file, int line) {
  try {
    call();
  } catch (const Error& error) {
    check_equal(error.code(), code, what, file, line);
    if (std::string_view(error.what()).empty()) fail(file, line, what, "an error without words");
    return;
  }
  fail(file, line, what, "nothing was thrown, expected " + std::string(to_string(code)));
}

// -- The place ------------------------------------------------------------------------------------

/// An empty place and its first opening. Declared first in a case, so that it ends last.
class Place {
 public:
  explicit Place(StoreHarness& harness, const StoreOptions& options = {});

  [[nodiscard]] Store& store() { return *store_; }
  [[nodiscard]] StoreHarness& harness() { return harness_; }
  /// Another process at the same place where the store can have that; else the same opening.
  [[nodiscard]] Store& other();
  /// Closes all and opens the place again, after a restart of its server.
  void reopen();
  void close();

  /// Lets time pass: moves the clock, or sleeps.
  void pass(nanoseconds time);
  [[nodiscard]] WallTime now() const;
  [[nodiscard]] bool is_manual() const { return harness_.clock() != nullptr; }
  /// Short where one must wait for it.
  [[nodiscard]] nanoseconds lease() const;
  /// So many, or fewer where the harness says that they take long.
  [[nodiscard]] std::size_t many(std::size_t count) const;

  /// A name that has the place's lease.
  [[nodiscard]] DurableSpec spec(std::string_view name, std::string_view pattern = "*") const;
  /// Also for what it leaves: a name that exists.
  std::unique_ptr<StoreConsumer> open(std::string_view name, std::string_view pattern = "*");

  /// Of this topic, with its number as JSON payload {"n": 7}, and the place's time.
  [[nodiscard]] Event event(std::string_view topic = "test.event", std::size_t n = 0) const;
  [[nodiscard]] std::vector<Event> events(std::size_t count,
                                          std::string_view topic = "test.event") const;
  /// Appends them as one batch, which must be stored. Returns the sequences.
  std::vector<std::uint64_t> put(std::span<const Event> events);
  std::uint64_t put(const Event& event);

 private:
  StoreHarness& harness_;
  std::shared_ptr<Store> store_;
  std::shared_ptr<Store> other_;
};

[[nodiscard]] EventId new_id();
/// The n of Place::event().
[[nodiscard]] std::size_t number_of(const Event& event);
/// Every field, and the payload as bytes.
void check_same(const Event& actual, const Event& expected);

// -- Consuming ------------------------------------------------------------------------------------

[[nodiscard]] Settlement done(std::uint64_t sequence);
[[nodiscard]] Settlement retry(std::uint64_t sequence, nanoseconds after = {},
                               ErrorCode code = ErrorCode::handler_failed,
                               std::string reason = "it failed");
[[nodiscard]] Settlement release(std::uint64_t sequence, nanoseconds after = {});
[[nodiscard]] Settlement bury(std::uint64_t sequence, ErrorCode code = ErrorCode::handler_failed,
                              std::string reason = "it failed for good");
/// It must be accepted.
void settle(StoreConsumer& consumer, const Settlement& settlement);

/// Fetches until so many are leased; they are not settled. Fails when they do not come.
[[nodiscard]] std::vector<Leased> take(StoreConsumer& consumer, std::size_t count);
[[nodiscard]] Leased take_one(StoreConsumer& consumer);
/// The same, and settles each as done before the next fetch.
std::vector<Leased> finish(StoreConsumer& consumer, std::size_t count);
/// Nothing is to be had now.
void check_nothing(StoreConsumer& consumer);

/// What DurableInfo says of a name that must be there.
[[nodiscard]] DurableInfo info_of(Store& store, std::string_view name);
/// The name has nothing to do: nothing comes, waits, or is out, and its cursor is at the end.
void check_all_settled(Store& store, StoreConsumer& consumer, std::string_view name);

/// For all that follows; StoreHarness::patience().
void set_patience(nanoseconds patience);
/// Until the condition holds; fails when patience is at its end. For what other threads or servers
/// do.
void wait_until(const std::function<bool()>& condition, const char* what);

/// Threads whose first failure is thrown where they are joined.
class Threads {
 public:
  void run(std::size_t count, const std::function<void(std::size_t)>& body);
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  void join();
  ~Threads();

 private:
  std::vector<std::thread> threads_;
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

using Cases = std::span<const ConformanceCase>;
[[nodiscard]] Cases publishing_cases();
[[nodiscard]] Cases subscribing_cases();
[[nodiscard]] Cases names_cases();
[[nodiscard]] Cases settling_cases();
[[nodiscard]] Cases lease_cases();
[[nodiscard]] Cases letter_cases();
[[nodiscard]] Cases replay_cases();
[[nodiscard]] Cases reading_cases();
[[nodiscard]] Cases keeping_cases();
[[nodiscard]] Cases thread_cases();
[[nodiscard]] Cases traffic_cases();
[[nodiscard]] Cases standing_cases();
[[nodiscard]] Cases death_cases();

}  // namespace busway::testing::conformance
