#include "platform/membarrier.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace busway::platform_detail {
namespace {

/// The protocol of the header's drawing with an object that is poisoned when it is retired: a
/// reader that still stands on a poisoned one has been overlooked.
void readers_never_stand_on_what_was_retired() {
  struct Box {
    std::atomic<int> poisoned{0};
  };
  static constexpr int kRounds = 3000;
  Box boxes[2];
  std::atomic<Box*> shared{&boxes[0]};
  alignas(64) std::atomic<Box*> slot{nullptr};
  std::atomic<bool> stop{false};
  std::atomic<int> overlooked{0};
  std::atomic<long> reads{0};

  std::thread reader([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      Box* box = shared.load(std::memory_order_seq_cst);
      publish_slot(slot, box);
      if (shared.load(std::memory_order_seq_cst) == box) {
        for (int i = 0; i < 4; ++i) {
          overlooked.fetch_add(box->poisoned.load(std::memory_order_relaxed),
                               std::memory_order_relaxed);
        }
        reads.fetch_add(1, std::memory_order_relaxed);
      }
      slot.store(nullptr, std::memory_order_release);
    }
  });
  for (int round = 0; round < kRounds || reads.load() == 0; ++round) {
    Box* old = shared.load(std::memory_order_relaxed);
    Box* next = old == &boxes[0] ? &boxes[1] : &boxes[0];
    next->poisoned.store(0, std::memory_order_relaxed);
    shared.store(next, std::memory_order_seq_cst);
    heavy_barrier();
    while (slot.load(std::memory_order_seq_cst) == old) std::this_thread::yield();
    old->poisoned.store(1, std::memory_order_relaxed);
  }
  stop.store(true);
  reader.join();
  EXPECT_EQ(overlooked.load(), 0);
  EXPECT_GT(reads.load(), 0);
}

TEST(Membarrier, ReadersUsePlainStoresExactlyWhenTheKernelIsTheirBarrier) {
  EXPECT_EQ(light_slots.load(), heavy_barrier_available());
  if (kThreadSanitizer) {
    EXPECT_FALSE(heavy_barrier_available());
  }
}

TEST(Membarrier, ASlotHoldsWhatWasPublished) {
  std::atomic<int> slot{0};
  publish_slot(slot, 7);
  EXPECT_EQ(slot.load(), 7);
}

TEST(Membarrier, AWriterSeesEveryReader) { readers_never_stand_on_what_was_retired(); }

// Last: it cannot be undone in this process.
TEST(Membarrier, RefusedReadersExchangeAndAWriterStillSeesThem) {
  refuse_membarrier();
  EXPECT_FALSE(heavy_barrier_available());
  EXPECT_FALSE(light_slots.load());
  std::atomic<int> slot{0};
  publish_slot(slot, 7);
  EXPECT_EQ(slot.load(), 7);
  readers_never_stand_on_what_was_retired();
}

}  // namespace
}  // namespace busway::platform_detail
