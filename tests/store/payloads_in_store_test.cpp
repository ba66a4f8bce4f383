// What a memory store does to payloads of the program's types.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <utility>

#include "busway/memory_store.hpp"
#include "busway/typed.hpp"

namespace busway {
namespace {

/// Its last copy does something of the test's where it ends.
struct Ending {
  static constexpr std::string_view type_name = "ending";
  std::shared_ptr<void> last{};
};
void to_json(Json& json, const Ending&) { json = 1; }
void from_json(const Json&, Ending&) {}

TEST(PayloadsInStore, EndWithNoLockOfTheStore) {
  const std::shared_ptr<Store> store = make_memory_store();
  std::atomic<int> ended{0};
  std::atomic<bool> in_vain{false};
  const auto uses_the_store = [&](int*) {
    std::future<void> use = std::async(std::launch::async, [&] { (void)store->stats(); });
    if (use.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
      in_vain = true;
      new std::future<void>(std::move(use));  // else it would be waited for
    }
    ++ended;
  };
  static int any = 0;
  for (std::uint64_t n = 1; n <= 3; ++n) {
    Event event(
        "ending",
        typed_payload(Ending{std::shared_ptr<void>(&any, [&](void*) { uses_the_store(&any); })}),
        {.id = EventId{1, n}});
    ASSERT_TRUE(store->append(event).ok());
  }
  EXPECT_EQ(ended, 0);
  EXPECT_EQ(store->trim({.max_events = 1}).removed, 2U);
  EXPECT_EQ(ended, 2);
  EXPECT_FALSE(in_vain);
}

/// Can neither be copied nor shared: it is kept as JSON, which it refuses to be.
struct Stubborn {
  static constexpr std::string_view type_name = "stubborn";
  std::unique_ptr<int> alone{};
};
void to_json(Json&, const Stubborn&) { throw 42; }
void from_json(const Json&, Stubborn&) {}

TEST(PayloadsInStore, OneThatThrowsAnythingIsNotStored) {
  const std::shared_ptr<Store> store = make_memory_store();
  const AppendResult result =
      store->append(Event("stubborn", typed_payload(Stubborn{}), {.id = EventId{1, 1}}));
  EXPECT_EQ(result.answer, Appended::not_stored);
  EXPECT_FALSE(result.error.empty());
}

}  // namespace
}  // namespace busway
