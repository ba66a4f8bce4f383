// The lanes of a mailbox: high before normal before low, and a share for the lower ones.
#include <gtest/gtest.h>

#include <algorithm>

#include "delivery/mailbox.hpp"
#include "mailbox_fixture.hpp"

namespace busway::delivery_detail {
namespace {

TEST(MailboxLanes, TakeHighBeforeNormalBeforeLow) {
  HandPumped box;
  for (int i = 0; i < 4; ++i) {
    box.push("low" + std::to_string(i), Priority::low);
    box.push("normal" + std::to_string(i));
    box.push("high" + std::to_string(i), Priority::high);
  }
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"high0", "high1", "high2", "high3", "normal0", "normal1",
                                       "normal2", "normal3", "low0", "low1", "low2", "low3"}));
}

TEST(MailboxLanes, LetAHigherEventPassThoseThatWaitAlready) {
  HandPumped box;
  box.sink.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.topic() == "e0") box.push("high", Priority::high);
  };
  for (int i = 0; i < 5; ++i) box.push("e" + std::to_string(i));
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"e0", "high", "e1", "e2", "e3", "e4"}));
}

TEST(MailboxLanes, LetAHigherEventPassWhateverAnotherStripeClaimsMeanwhile) {
  HandPumped box({.concurrency = 4, .order_by = OrderBy::key});
  bool first = true;
  box.sink.on_deliver = [&](Delivery&) {
    if (!std::exchange(first, false)) return;
    box.push("high", Priority::high, "mine");
    for (const std::string_view key : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
      box.push("other", Priority::normal, key);  // most of them go to other stripes
    }
    box.executor->run();
  };
  for (int i = 0; i < 5; ++i) box.push("mine" + std::to_string(i), Priority::normal, "mine");
  box.executor->run();
  Names mine;
  for (const std::string& name : box.sink.delivered) {
    if (name != "other") mine.push_back(name);
  }
  EXPECT_EQ(mine, (Names{"mine0", "high", "mine1", "mine2", "mine3", "mine4"}));
}

TEST(MailboxLanes, KeepTheirOwnOrderWhenInterrupted) {
  HandPumped box({.capacity = 10'000});
  int more = 0;
  box.sink.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.priority() == Priority::normal && more < 200) {
      box.push("h" + std::to_string(more++), Priority::high);
    }
  };
  Names normal;
  for (int i = 0; i < 200; ++i) {
    normal.push_back("n" + std::to_string(i));
    box.push(normal.back());
  }
  box.executor->run();
  Names seen_normal;
  int next_high = 0;
  for (const std::string& name : box.sink.delivered) {
    if (name[0] == 'n') {
      seen_normal.push_back(name);
    } else {
      EXPECT_EQ(name, "h" + std::to_string(next_high++));
    }
  }
  EXPECT_EQ(seen_normal, normal);
  EXPECT_EQ(next_high, 200);
}

TEST(MailboxLanes, KeepAShareForTheLowerOnes) {
  HandPumped box({.capacity = 10'000});
  for (int i = 0; i < 1000; ++i) box.push("high", Priority::high);
  for (int i = 0; i < 20; ++i) box.push("normal");
  for (int i = 0; i < 10; ++i) box.push("low", Priority::low);
  box.executor->run();
  const auto place_of = [&](std::string_view name, int nth) {
    for (std::size_t i = 0; i < box.sink.delivered.size(); ++i) {
      if (box.sink.delivered[i] == name && nth-- == 0) return i;
    }
    return std::size_t{0};
  };
  // Normal gets one in nine, low one in thirty-four, give or take where a run ends.
  EXPECT_LE(place_of("normal", 0), 16U);
  EXPECT_LE(place_of("normal", 19), 16U * 20U);
  EXPECT_LE(place_of("low", 0), 64U);
  EXPECT_LE(place_of("low", 9), 64U * 10U);
  // And no more than a share.
  EXPECT_GE(place_of("normal", 19), 8U * 19U);
  EXPECT_GE(place_of("low", 9), 32U * 9U);
}

TEST(MailboxLanes, ThatNeverEmptyStarveNobody) {
  HandPumped box({.capacity = 10'000});
  int high = 0;
  box.sink.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.priority() == Priority::high && ++high < 2000)
      box.push("high", Priority::high);
  };
  box.push("low", Priority::low);
  box.push("normal");
  box.push("high", Priority::high);
  box.executor->run();
  const auto& seen = box.sink.delivered;
  EXPECT_LT(std::find(seen.begin(), seen.end(), "normal") - seen.begin(), 20);
  EXPECT_LT(std::find(seen.begin(), seen.end(), "low") - seen.begin(), 80);
}

}  // namespace
}  // namespace busway::delivery_detail
