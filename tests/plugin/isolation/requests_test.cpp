// What a process asks of its host, made as calls of the host's table; here of one that records.
#include "plugin/isolation/requests.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "plugin/abi_values.hpp"

namespace busway::plugin_host_detail {
namespace {

using wire::Kind;
using wire::Reader;
using wire::WireError;
using wire::Writer;

std::string text_of(const busway_view& view) { return {view.data, view.size}; }

/// Answers with what it is told to, and keeps what it was asked.
struct FakeHost {
  static FakeHost& of(busway_host* host) { return *reinterpret_cast<FakeHost*>(host); }
  busway_host* self() { return reinterpret_cast<busway_host*>(this); }

  busway_status note(std::string line) {
    const std::lock_guard lock(mutex);
    lines.push_back(std::move(line));
    return status;
  }
  std::vector<std::string> take() {
    const std::lock_guard lock(mutex);
    return std::exchange(lines, {});
  }

  static busway_host_api make_table() {
    busway_host_api table{};
    table.size = sizeof table;
    table.abi = BUSWAY_ABI;
    table.last_message = [](busway_host* host) { return to_view(of(host).words); };
    table.subscribe = [](busway_host* host, const busway_view* patterns, std::size_t count,
                         const busway_subscribe_options* options, std::uint64_t tag,
                         std::uint64_t* out_id) {
      FakeHost& mine = of(host);
      std::string line = "subscribe";
      for (std::size_t i = 0; i < count; ++i) line += " " + text_of(patterns[i]);
      if (options != nullptr)
        line += " as " + text_of(options->name) + " of " + std::to_string(options->queue_capacity);
      {
        const std::lock_guard lock(mine.mutex);
        mine.tags.push_back(tag);
        *out_id = mine.next_id++;
      }
      const busway_status answer = mine.note(line);
      if (mine.on_subscribe) mine.on_subscribe();
      return answer;
    };
    table.unsubscribe = [](busway_host* host, std::uint64_t id) {
      return of(host).note("unsubscribe " + std::to_string(id));
    };
    table.publish = [](busway_host* host, const busway_message* message,
                       busway_publish_result* result) {
      if (result != nullptr) {
        result->matched = 5;
        result->queued = 4;
        result->failed = 1;
        result->id[15] = 9;
      }
      return of(host).note("publish " + text_of(message->topic) + " " + text_of(message->payload) +
                           (result != nullptr ? " with result" : ""));
    };
    table.request = [](busway_host* host, const busway_message* message, std::int64_t timeout_ns,
                       busway_on_reply on_reply, void* user) {
      const busway_status answer = of(host).note("request " + text_of(message->topic) + " within " +
                                                 std::to_string(timeout_ns));
      if (answer != BUSWAY_OK) return answer;
      busway_event event{};
      event.size = sizeof event;
      event.hops = 3;
      event.topic = to_view("the.reply");
      event.payload = to_view("yes");
      on_reply(user, &event);
      return answer;
    };
    table.reply = [](busway_host* host, std::uint64_t delivery, std::uint32_t kind,
                     busway_view payload, busway_view content_type) {
      return of(host).note("reply to " + std::to_string(delivery) + " of " + std::to_string(kind) +
                           " " + text_of(payload) + " " + text_of(content_type));
    };
    table.stop_requested = [](busway_host* host, std::uint64_t delivery) {
      (void)of(host).note("stop_requested " + std::to_string(delivery));
      return of(host).stop;
    };
    table.schedule = [](busway_host* host, std::int64_t delay_ns, std::uint64_t tag,
                        std::uint64_t* out_id) {
      FakeHost& mine = of(host);
      {
        const std::lock_guard lock(mine.mutex);
        mine.tags.push_back(tag);
        *out_id = mine.next_id++;
      }
      const busway_status answer = mine.note("schedule in " + std::to_string(delay_ns));
      if (mine.on_schedule) mine.on_schedule(tag);
      return answer;
    };
    table.cancel_timer = [](busway_host* host, std::uint64_t id) {
      return of(host).note("cancel_timer " + std::to_string(id));
    };
    table.log = [](busway_host* host, std::uint32_t level, busway_view message) {
      (void)of(host).note("log " + std::to_string(level) + " " + text_of(message));
    };
    table.report_error = [](busway_host* host, busway_view message) {
      (void)of(host).note("report_error " + text_of(message));
    };
    table.set_source_state = [](busway_host* host, std::uint32_t state) {
      return of(host).note("set_source_state " + std::to_string(state));
    };
    return table;
  }

  const busway_host_api table = make_table();
  std::mutex mutex;
  std::vector<std::string> lines;
  std::vector<std::uint64_t> tags;  // that it got
  std::uint64_t next_id = 100;
  busway_status status = BUSWAY_OK;
  std::string words = "words of the call before";
  std::uint32_t stop = 0;
  std::function<void()> on_subscribe;
  std::function<void(std::uint64_t)> on_schedule;
};

template <class Put>
std::string frame_of(Kind kind, const Put& put) {
  std::string out;
  {
    Writer frame(out, kind);
    put(frame);
  }
  return out.substr(sizeof(std::uint32_t));
}

struct Answer {
  busway_status status = -1;
  std::string words{};
  std::string value{};
  template <class T>
  [[nodiscard]] T as() const {
    T out{};
    EXPECT_EQ(value.size(), sizeof out);
    if (value.size() == sizeof out) std::memcpy(&out, value.data(), sizeof out);
    return out;
  }
};

class IsolationRequests : public ::testing::Test {
 protected:
  Answer ask(const std::string& frame, const HostRequests::Deliveries& deliveries = {}) {
    std::string out = "what stood there before";
    const std::size_t before = out.size();
    requests_.serve(frame, requests_.epoch(), deliveries, out);
    EXPECT_EQ(out.substr(0, before), "what stood there before");
    Reader in(std::string_view(out).substr(before + sizeof(std::uint32_t)));
    EXPECT_EQ(in.kind(), Kind::answer);
    Answer answer;
    answer.status = in.get<busway_status>();
    answer.words = in.text();
    answer.value = in.text();
    EXPECT_FALSE(in.more());
    return answer;
  }
  void tell(const std::string& frame) {
    std::string out;
    requests_.serve(frame, requests_.epoch(), {}, out);
    EXPECT_EQ(out, "") << "it has no answer";
  }
  std::uint64_t subscribe(std::uint64_t tag, const std::vector<std::string>& patterns,
                          std::uint64_t capacity = 0) {
    const Answer answer = ask(subscribe_frame(tag, patterns, capacity));
    EXPECT_EQ(answer.status, BUSWAY_OK);
    return answer.as<std::uint64_t>();
  }
  /// capacity 0: without options
  static std::string subscribe_frame(std::uint64_t tag, const std::vector<std::string>& patterns,
                                     std::uint64_t capacity = 0) {
    return frame_of(Kind::subscribe, [&](Writer& frame) {
      frame.put(tag).put(static_cast<std::uint8_t>(capacity != 0));
      if (capacity != 0) {
        busway_subscribe_options options{};
        options.size = sizeof options;
        options.queue_capacity = capacity;
        options.name = to_view("named");
        wire::put_options(frame, options);
      }
      frame.put(static_cast<std::uint32_t>(patterns.size()));
      for (const std::string& one : patterns) frame.text(one);
    });
  }
  std::uint64_t schedule(std::uint64_t tag) {
    const Answer answer =
        ask(frame_of(Kind::schedule, [&](Writer& frame) { frame.put(std::int64_t{50}).put(tag); }));
    EXPECT_EQ(answer.status, BUSWAY_OK);
    return answer.as<std::uint64_t>();
  }
  static std::string id_frame(Kind kind, std::uint64_t id) {
    return frame_of(kind, [&](Writer& frame) { frame.put(id); });
  }
  static std::string message_frame(Kind kind, const auto& first) {
    return frame_of(kind, [&](Writer& frame) {
      busway_message message{};
      message.size = sizeof message;
      message.topic = to_view("some.topic");
      message.payload = to_view("[1]");
      frame.put(first);
      wire::put_message(frame, message);
    });
  }
  std::vector<std::string> asked() { return host_.take(); }
  using Lines = std::vector<std::string>;

  FakeHost host_;
  std::atomic<int> unsubscribed_{0};
  HostRequests requests_{host_.table, host_.self(), [this] { ++unsubscribed_; }};
};

// -- Each of them ---------------------------------------------------------------------------------

TEST_F(IsolationRequests, PublishWithAResultAndWithout) {
  const Answer with = ask(message_frame(Kind::publish, std::uint8_t{1}));
  EXPECT_EQ(with.status, BUSWAY_OK);
  EXPECT_EQ(with.words, "") << "words are of what failed";
  const auto result = with.as<busway_publish_result>();
  EXPECT_EQ(result.size, sizeof result);
  EXPECT_EQ(result.matched, 5U);
  EXPECT_EQ(result.queued, 4U);
  EXPECT_EQ(result.failed, 1U);
  EXPECT_EQ(result.id[15], 9);
  EXPECT_EQ(ask(message_frame(Kind::publish, std::uint8_t{0})).value, "");
  EXPECT_EQ(asked(), (Lines{"publish some.topic [1] with result", "publish some.topic [1]"}));
}

TEST_F(IsolationRequests, ARefusalIsAnsweredWithItsStatusAndWords) {
  host_.status = BUSWAY_DENIED;
  host_.words = "you may not";
  const std::vector<std::string> frames{
      message_frame(Kind::publish, std::uint8_t{1}),
      message_frame(Kind::request, std::int64_t{1}),
      subscribe_frame(1, {"a"}),
      id_frame(Kind::unsubscribe, 4),
      id_frame(Kind::cancel_timer, 4),
      frame_of(Kind::set_source_state, [](Writer& frame) { frame.put(std::uint32_t{1}); }),
      frame_of(Kind::schedule,
               [](Writer& frame) { frame.put(std::int64_t{1}).put(std::uint64_t{2}); }),
      frame_of(Kind::reply, [](Writer& frame) {
        frame.put(std::uint64_t{1}).put(std::uint32_t{1}).text("p").text("c");
      })};
  for (const std::string& frame : frames) {
    const Answer answer = ask(frame);
    EXPECT_EQ(answer.status, BUSWAY_DENIED);
    EXPECT_EQ(answer.words, "you may not");
  }
  EXPECT_EQ(asked().size(), frames.size());
}

TEST_F(IsolationRequests, RequestGivesTheReplyAsAFrame) {
  const Answer answer = ask(message_frame(Kind::request, std::int64_t{77}));
  EXPECT_EQ(answer.status, BUSWAY_OK);
  Reader in(std::string_view(answer.value).substr(sizeof(std::uint32_t)));
  EXPECT_EQ(in.kind(), Kind::events);
  const busway_event event = wire::get_event(in);
  EXPECT_EQ(text_of(event.topic), "the.reply");
  EXPECT_EQ(text_of(event.payload), "yes");
  EXPECT_EQ(event.hops, 3);
  EXPECT_EQ(asked(), Lines{"request some.topic within 77"});
}

TEST_F(IsolationRequests, ReplyGoesToTheDeliveryThatTheHostKnowsByAnotherNumber) {
  const auto reply_to = [](std::uint64_t number) {
    return frame_of(Kind::reply, [&](Writer& frame) {
      frame.put(number).put(std::uint32_t{2}).text("payload").text("type");
    });
  };
  const HostRequests::Deliveries under_way{{1, 41}, {2, 42}};
  (void)ask(reply_to(2), under_way);
  (void)ask(reply_to(3), under_way);
  (void)ask(reply_to(1));
  EXPECT_EQ(asked(), (Lines{"reply to 42 of 2 payload type", "reply to 0 of 2 payload type",
                            "reply to 0 of 2 payload type"}));
}

TEST_F(IsolationRequests, WhetherADeliveryIsToStopTheHostSaysAlsoOfOneThatIsOver) {
  host_.stop = 0;
  const HostRequests::Deliveries under_way{{1, 41}};
  EXPECT_EQ(ask(id_frame(Kind::stop_requested, 1), under_way).as<std::uint32_t>(), 0U);
  host_.stop = 1;
  EXPECT_EQ(ask(id_frame(Kind::stop_requested, 1), under_way).as<std::uint32_t>(), 1U);
  EXPECT_EQ(ask(id_frame(Kind::stop_requested, 2), under_way).as<std::uint32_t>(), 1U);
  EXPECT_EQ(asked(), (Lines{"stop_requested 41", "stop_requested 41", "stop_requested 0"}));
}

TEST_F(IsolationRequests, LogAndReportErrorHaveNoAnswer) {
  tell(frame_of(Kind::log, [](Writer& frame) { frame.put(std::uint32_t{2}).text("a line"); }));
  tell(frame_of(Kind::report_error, [](Writer& frame) { frame.text("went wrong"); }));
  EXPECT_EQ(asked(), (Lines{"log 2 a line", "report_error went wrong"}));
}

TEST_F(IsolationRequests, SourceStateIsPassedOn) {
  const Answer answer =
      ask(frame_of(Kind::set_source_state, [](Writer& frame) { frame.put(std::uint32_t{2}); }));
  EXPECT_EQ(answer.status, BUSWAY_OK);
  EXPECT_EQ(asked(), Lines{"set_source_state 2"});
}

// -- Subscriptions --------------------------------------------------------------------------------

TEST_F(IsolationRequests, SubscriptionsAreKnownToTheHostByTagsOfOurs) {
  EXPECT_EQ(subscribe(7, {"a.*", "b"}), 100U);
  EXPECT_EQ(subscribe(7, {"c"}, 9), 101U);
  EXPECT_EQ(asked(), (Lines{"subscribe a.* b", "subscribe c as named of 9"}));
  ASSERT_EQ(host_.tags.size(), 2U);
  EXPECT_NE(host_.tags[0], host_.tags[1]);
  EXPECT_NE(host_.tags[0], 0U) << "that is the tag of a timer of the host's own";
  EXPECT_EQ(requests_.tag_of_subscription(host_.tags[0]), 7U);
  EXPECT_EQ(requests_.tag_of_subscription(host_.tags[1]), 7U);
  EXPECT_EQ(requests_.tag_of_subscription(12'345), std::nullopt);
}

TEST_F(IsolationRequests, TheTagIsKnownBeforeTheFirstEventComes) {
  std::optional<std::uint64_t> seen;
  host_.on_subscribe = [&] { seen = requests_.tag_of_subscription(host_.tags.back()); };
  (void)subscribe(33, {"a"});
  EXPECT_EQ(seen, 33U);
}

TEST_F(IsolationRequests, OneThatTheHostRefusedOrThatWasEndedIsForgotten) {
  host_.status = BUSWAY_INVALID_PATTERN;
  EXPECT_EQ(ask(subscribe_frame(5, {"("})).status, BUSWAY_INVALID_PATTERN);
  EXPECT_EQ(requests_.tag_of_subscription(host_.tags[0]), std::nullopt);
  host_.status = BUSWAY_OK;
  const std::uint64_t id = subscribe(6, {"a"});
  EXPECT_EQ(ask(id_frame(Kind::unsubscribe, id)).status, BUSWAY_OK);
  EXPECT_EQ(requests_.tag_of_subscription(host_.tags[1]), std::nullopt);
  (void)asked();
  EXPECT_EQ(unsubscribed_, 1);
  requests_.begin_epoch();
  EXPECT_NE(subscribe(6, {"a"}), id) << "it has ended";
}

TEST_F(IsolationRequests, OneThatTheHostDoesNotEndStays) {
  const std::uint64_t id = subscribe(6, {"a"});
  host_.status = BUSWAY_NOT_FOUND;
  EXPECT_EQ(ask(id_frame(Kind::unsubscribe, id)).status, BUSWAY_NOT_FOUND);
  EXPECT_EQ(requests_.tag_of_subscription(host_.tags[0]), 6U);
}

TEST_F(IsolationRequests, ASecondProcessThatSaysTheSameHasTheSameSubscriptionWithItsTag) {
  const std::uint64_t a = subscribe(1, {"a"});
  const std::uint64_t b = subscribe(2, {"b"}, 10);
  (void)asked();
  requests_.begin_epoch();
  EXPECT_EQ(subscribe(20, {"b"}, 10), b);
  EXPECT_EQ(subscribe(10, {"a"}), a);
  EXPECT_EQ(asked(), Lines{}) << "the host has both";
  EXPECT_EQ(requests_.tag_of_subscription(host_.tags[0]), 10U);
  EXPECT_EQ(requests_.tag_of_subscription(host_.tags[1]), 20U);
}

TEST_F(IsolationRequests, WhatASecondProcessSaysOtherwiseIsNewAndWhatIsLeftWaitsForIt) {
  const std::uint64_t left = subscribe(1, {"a"});
  const std::uint64_t other = subscribe(2, {"b"}, 10);
  const std::uint64_t kept = subscribe(3, {"c", "d"});
  (void)asked();
  requests_.begin_epoch();
  const std::uint64_t fresh = subscribe(2, {"b"}, 11);  // another capacity
  const std::uint64_t turned = subscribe(4, {"d", "c"});
  EXPECT_EQ(subscribe(3, {"c", "d"}), kept);
  EXPECT_NE(fresh, other);
  EXPECT_NE(turned, kept);
  EXPECT_EQ(asked(), (Lines{"subscribe b as named of 11", "subscribe d c"}));
  EXPECT_EQ(requests_.tag_of_subscription(host_.tags[0]), std::nullopt);
  EXPECT_EQ(subscribe(9, {"a"}), left) << "however late";
  EXPECT_EQ(requests_.tag_of_subscription(host_.tags[0]), 9U);
}

TEST_F(IsolationRequests, WhatAStoppedPluginHadIsClaimedByNobody) {
  const std::uint64_t id = subscribe(1, {"a"});
  requests_.forget_subscriptions();
  requests_.begin_epoch();
  EXPECT_NE(subscribe(1, {"a"}), id);
}

TEST_F(IsolationRequests, AProcessThatHasEndedIsServedNoMore) {
  const std::uint64_t earlier = requests_.epoch();
  requests_.begin_epoch();
  std::string out;
  EXPECT_THROW(requests_.serve(subscribe_frame(1, {"a"}), earlier, {}, out), WireError);
  EXPECT_EQ(asked(), Lines{});
}

TEST_F(IsolationRequests, TwoOfTheSameWordsAreTwoAlsoTheSecondTime) {
  const std::set<std::uint64_t> first{subscribe(1, {"a"}), subscribe(2, {"a"})};
  ASSERT_EQ(first.size(), 2U);
  requests_.begin_epoch();
  EXPECT_EQ((std::set<std::uint64_t>{subscribe(8, {"a"}), subscribe(9, {"a"})}), first);
  EXPECT_EQ(first.count(subscribe(10, {"a"})), 0U) << "a third is a new one";
}

TEST_F(IsolationRequests, TheSameProcessClaimsNothing) {
  const std::uint64_t id = subscribe(1, {"a"});
  EXPECT_NE(subscribe(1, {"a"}), id);
}

TEST_F(IsolationRequests, AThirdProcessAfterASecondThatEndedHalfwayHasAllThatTheFirstHad) {
  const std::uint64_t a = subscribe(1, {"a"});
  const std::uint64_t b = subscribe(2, {"b"});
  requests_.begin_epoch();
  EXPECT_EQ(subscribe(1, {"a"}), a);
  const std::uint64_t c = subscribe(3, {"c"});
  requests_.begin_epoch();  // it died before it had said all
  EXPECT_EQ(subscribe(2, {"b"}), b);
  EXPECT_EQ(subscribe(1, {"a"}), a);
  EXPECT_EQ(subscribe(3, {"c"}), c);
}

TEST_F(IsolationRequests, OneThatAnEarlierProcessWasStillMakingEndsWithIt) {
  // On a thread of that process, which the host has held up meanwhile.
  host_.on_subscribe = [&] { requests_.begin_epoch(); };
  (void)ask(subscribe_frame(1, {"a"}));
  EXPECT_EQ(asked(), (Lines{"subscribe a", "unsubscribe 100"})) << "never one without an id";
  EXPECT_EQ(requests_.tag_of_subscription(host_.tags[0]), std::nullopt);
}

// -- Timers ---------------------------------------------------------------------------------------

TEST_F(IsolationRequests, ATimerIsOverOnceTaken) {
  const std::uint64_t id = schedule(5);
  EXPECT_EQ(id, 100U);
  EXPECT_EQ(asked(), Lines{"schedule in 50"});
  ASSERT_EQ(host_.tags.size(), 1U);
  EXPECT_NE(host_.tags[0], 0U);
  EXPECT_EQ(requests_.take_timer(host_.tags[0]), 5U);
  EXPECT_EQ(requests_.take_timer(host_.tags[0]), std::nullopt);
  EXPECT_EQ(requests_.take_timer(99), std::nullopt);
  requests_.begin_epoch();
  EXPECT_EQ(asked(), Lines{});
}

TEST_F(IsolationRequests, ATimerThatIsDueBeforeItsAnswerIsTaken) {
  std::optional<std::uint64_t> taken;
  host_.on_schedule = [&](std::uint64_t tag) { taken = requests_.take_timer(tag); };
  (void)schedule(6);
  EXPECT_EQ(taken, 6U);
  requests_.begin_epoch();
  EXPECT_EQ(asked(), Lines{"schedule in 50"});
}

TEST_F(IsolationRequests, ATimerThatIsCancelledOrRefusedIsForgotten) {
  const std::uint64_t id = schedule(5);
  EXPECT_EQ(ask(id_frame(Kind::cancel_timer, id)).status, BUSWAY_OK);
  EXPECT_EQ(requests_.take_timer(host_.tags[0]), std::nullopt);
  host_.status = BUSWAY_TOO_MANY;
  (void)ask(frame_of(Kind::schedule,
                     [](Writer& frame) { frame.put(std::int64_t{1}).put(std::uint64_t{2}); }));
  EXPECT_EQ(requests_.take_timer(host_.tags[1]), std::nullopt);
}

TEST_F(IsolationRequests, ATimerThatCannotBeCancelledStays) {
  const std::uint64_t id = schedule(5);
  host_.status = BUSWAY_NOT_FOUND;
  EXPECT_EQ(ask(id_frame(Kind::cancel_timer, id)).status, BUSWAY_NOT_FOUND);
  EXPECT_EQ(requests_.take_timer(host_.tags[0]), 5U) << "it is just due";
}

TEST_F(IsolationRequests, TheTimersOfAProcessEndWithIt) {
  const std::uint64_t one = schedule(5);
  const std::uint64_t other = schedule(6);
  (void)asked();
  requests_.begin_epoch();
  EXPECT_EQ(asked(), (Lines{"cancel_timer " + std::to_string(one),
                            "cancel_timer " + std::to_string(other)}));
  EXPECT_EQ(requests_.take_timer(host_.tags[0]), std::nullopt);
  requests_.begin_epoch();
  EXPECT_EQ(asked(), Lines{});
}

// -- What makes no sense --------------------------------------------------------------------------

TEST_F(IsolationRequests, AFrameOfAnotherKindIsNone) {
  for (const int kind : {0, 1, 2, 3, 4, 5, 31, 32, 33, 34, 35, 36, 63, 75, 128, 255}) {
    std::string out;
    const std::string frame = std::string(1, static_cast<char>(kind)) + std::string(200, '\0');
    EXPECT_THROW(requests_.serve(frame, requests_.epoch(), {}, out), WireError) << kind;
    EXPECT_EQ(out, "");
  }
  std::string out;
  EXPECT_THROW(requests_.serve("", requests_.epoch(), {}, out), WireError);
  EXPECT_EQ(asked(), Lines{});
}

std::vector<std::string> one_of_each() {
  const auto put_message = [](Writer& frame) {
    busway_message message{};
    message.size = sizeof message;
    message.topic = to_view("some.topic");
    message.payload = to_view("[1]");
    wire::put_message(frame, message);
  };
  const auto eight = [](Writer& frame) { frame.put(std::uint64_t{3}); };
  return {frame_of(Kind::subscribe,
                   [](Writer& frame) {
                     frame.put(std::uint64_t{1}).put(std::uint8_t{1});
                     busway_subscribe_options options{};
                     options.name = to_view("some name");
                     wire::put_options(frame, options);
                     frame.put(std::uint32_t{2}).text("a.*").text("bcd");
                   }),
          frame_of(Kind::unsubscribe, eight),
          frame_of(Kind::publish,
                   [&](Writer& frame) {
                     frame.put(std::uint8_t{1});
                     put_message(frame);
                   }),
          frame_of(Kind::request,
                   [&](Writer& frame) {
                     frame.put(std::int64_t{9});
                     put_message(frame);
                   }),
          frame_of(Kind::reply,
                   [](Writer& frame) {
                     frame.put(std::uint64_t{1}).put(std::uint32_t{2}).text("payload").text("type");
                   }),
          frame_of(Kind::stop_requested, eight),
          frame_of(Kind::schedule,
                   [](Writer& frame) { frame.put(std::int64_t{1}).put(std::uint64_t{2}); }),
          frame_of(Kind::cancel_timer, eight),
          frame_of(Kind::log, [](Writer& frame) { frame.put(std::uint32_t{1}).text("a line"); }),
          frame_of(Kind::report_error, [](Writer& frame) { frame.text("went wrong"); }),
          frame_of(Kind::set_source_state, [](Writer& frame) { frame.put(std::uint32_t{1}); })};
}

TEST_F(IsolationRequests, AFrameCutAnywhereIsNotServed) {
  for (const std::string& whole : one_of_each()) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      std::string out;
      EXPECT_THROW(requests_.serve({cut.data(), cut.size()}, requests_.epoch(), {}, out), WireError)
          << int{whole[0]} << " of " << size;
      EXPECT_EQ(out, "");
    }
  }
  EXPECT_EQ(asked(), Lines{});
  for (const std::string& whole : one_of_each()) {
    std::string out;
    EXPECT_NO_THROW(requests_.serve(whole, requests_.epoch(), {}, out)) << "and whole each is";
  }
  EXPECT_EQ(asked().size(), 11U);
}

TEST_F(IsolationRequests, ASubscriptionOfTooManyPatternsIsNotServed) {
  for (const std::uint32_t count : {65'537U, 1U << 31U, ~0U}) {
    std::string out;
    EXPECT_THROW(requests_.serve(frame_of(Kind::subscribe,
                                          [&](Writer& frame) {
                                            frame.put(std::uint64_t{1}).put(std::uint8_t{0});
                                            frame.put(count).text("a");
                                          }),
                                 requests_.epoch(), {}, out),
                 WireError);
  }
  EXPECT_EQ(asked(), Lines{});
}

TEST_F(IsolationRequests, FramesWithBytesTurnedAreServedOrThrowAndLeaveTheRestWorking) {
  std::mt19937_64 random(7);  // NOLINT: the same ones each time
  const HostRequests::Deliveries under_way{{1, 41}};
  for (const std::string& whole : one_of_each()) {
    for (int round = 0; round < 2000; ++round) {
      std::vector<char> bytes(whole.begin(), whole.end());
      bytes[random() % bytes.size()] ^= static_cast<char>(1U << random() % 8);
      std::string out;
      try {
        requests_.serve({bytes.data(), bytes.size()}, requests_.epoch(), under_way, out);
      } catch (const WireError&) {
        EXPECT_EQ(out, "");
      }
    }
  }
  (void)asked();
  EXPECT_NE(subscribe(1, {"still.here"}), 0U);
}

// -- Several threads ------------------------------------------------------------------------------

TEST_F(IsolationRequests, SeveralThreadsAskAtOnce) {
  constexpr int kThreads = 4;
  constexpr std::uint64_t kEach = 200;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([this, thread] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        const std::uint64_t mine = 1 + i + kEach * static_cast<std::uint64_t>(thread);
        const std::uint64_t id = subscribe(mine, {"p" + std::to_string(mine)});
        const std::uint64_t timer = schedule(mine);
        tell(frame_of(Kind::log, [](Writer& frame) { frame.put(std::uint32_t{0}).text("x"); }));
        if (i % 2 != 0) continue;
        EXPECT_EQ(ask(id_frame(Kind::unsubscribe, id)).status, BUSWAY_OK);
        EXPECT_EQ(ask(id_frame(Kind::cancel_timer, timer)).status, BUSWAY_OK);
      }
    });
  }
  std::thread looks([this] {
    for (int i = 0; i < 50; ++i) {
      (void)requests_.tag_of_subscription(1);
      (void)requests_.take_timer(2);
    }
  });
  for (std::thread& thread : threads) thread.join();
  looks.join();
  EXPECT_EQ(std::set<std::uint64_t>(host_.tags.begin(), host_.tags.end()).size(), host_.tags.size())
      << "no tag is given twice";
}

}  // namespace
}  // namespace busway::plugin_host_detail
