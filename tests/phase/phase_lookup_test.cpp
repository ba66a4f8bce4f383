// The question whether an output is known, and what a reply does.
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>

#include "busway/event_aware_phase.hpp"
#include "busway/manual_executor.hpp"
#include "busway/phase_topics.hpp"
#include "busway/retryable_phase.hpp"
#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

using namespace std::chrono_literals;

// printf '%s' '["plan","r",{"a":1,"b":[true,null,"é"]}]' | sha256sum
constexpr std::string_view kKnownKey =
    "1511c53ba3c746637ddb8748d0142447e6e78b71dde250c56dd2848b6e6da89e";

class PhaseLookups : public ::testing::Test {
 protected:
  /// Answers each question with this, and notes what it was asked.
  Subscription answering(const Patterns& patterns, Payload reply) {
    return bus_.subscribe<PhaseLookup>(patterns,
                                       [this, reply](const PhaseLookup& lookup, Context& context) {
                                         asked_.push_back(lookup);
                                         context.reply(reply);
                                       });
  }
  Shared counting(const std::string& name = "plan", PhaseOptions options = {}) {
    return make_phase(
        name,
        [this](const Json&) {
          ++executed_;
          return Json("made");
        },
        std::move(options));
  }
  /// Runs it once and gives the key that it was asked for.
  std::string key_of(const std::string& name, const PhaseInput& input) {
    asked_.clear();
    EventAwarePhase phase(counting(name), bus_);
    run(phase, input);
    return asked_.empty() ? "" : asked_.front().key;
  }
  [[nodiscard]] bool was_asked() const { return !bus_.history("phase.lookup").empty(); }

  /// Counts the questions that ended because the time for a reply was over.
  [[nodiscard]] BusOptions watching() {
    return {.log = [this](LogLevel, std::string_view, std::span<const LogField> fields) {
      for (const LogField& field : fields) {
        if (field.value.find("no reply to the request") != std::string_view::npos) {
          ++gave_up_waiting_;
        }
      }
    }};
  }

  std::atomic<int> gave_up_waiting_{0};
  Bus bus_{watching()};
  const Heard heard_{bus_};
  std::vector<PhaseLookup> asked_;
  int executed_ = 0;
};

TEST_F(PhaseLookups, AreNotMadeWithoutAResponder) {
  EventAwarePhase phase(counting(), bus_);
  EXPECT_EQ(run(phase).data, "made");
  EXPECT_FALSE(was_asked());
  EXPECT_EQ(heard_.only<PhaseEventData>("phase.completed").metadata, Json::object());
}

TEST_F(PhaseLookups, AreNotMadeForThoseWhoOnlyListenToEverything) {
  const auto all = bus_.subscribe("*", [](const Event&) {});
  const auto later = bus_.subscribe("phase.*", [](const Event&) {}, {.mode = Mode::async});
  const auto regex = bus_.subscribe("^phase\\.lookup$", [](const Event&) {});
  EventAwarePhase phase(counting(), bus_);
  run(phase);
  EXPECT_FALSE(was_asked());
}

TEST_F(PhaseLookups, AreNotMadeWhileTheResponderIsPausedOrAfterItWent) {
  Subscription cache = answering("phase.lookup", Payload::json("kept"));
  cache.pause();
  EventAwarePhase phase(counting(), bus_);
  run(phase);
  cache.reset();
  run(phase);
  EXPECT_FALSE(was_asked());
  EXPECT_EQ(executed_, 2);
}

TEST_F(PhaseLookups, ThatAreAnsweredSkipThePhase) {
  const auto cache = answering("phase.lookup", Payload::json({{"text", "kept"}}));
  EventAwarePhase phase(counting(), bus_);
  const PhaseOutput output =
      run(phase, {.request = "r", .session_id = "s", .metadata = {{"user", "ann"}}});
  EXPECT_EQ(executed_, 0);
  EXPECT_EQ(output.data, (Json{{"text", "kept"}}));
  EXPECT_EQ(output.request, "r");
  EXPECT_EQ(output.session_id, "s");
  EXPECT_EQ(heard_.lines(),
            (Lines{"phase.started plan", "cache.hit plan", "phase.completed plan"}));
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_[0].name, "plan");
  EXPECT_EQ(
      heard_.events()[1].json(),
      (Json{{"phase_name", "plan"}, {"cache_key", asked_[0].key}, {"output", {{"text", "kept"}}}}));
  EXPECT_EQ(heard_.events()[1].session_id(), "s");
  const auto completed = heard_.only<PhaseEventData>("phase.completed");
  EXPECT_EQ(completed.output, (Json{{"text", "kept"}}));
  EXPECT_EQ(completed.metadata,
            (Json{{"user", "ann"}, {"cache_key", asked_[0].key}, {"cached", true}}));
}

TEST_F(PhaseLookups, ReachAResponderThatHasTheNameAmongItsPatterns) {
  const auto cache = answering({"cache.clear", "phase.lookup", "other.*"}, Payload::json("kept"));
  EventAwarePhase phase(counting(), bus_);
  EXPECT_EQ(run(phase).data, "kept");
}

TEST_F(PhaseLookups, ThatAreNotAnsweredLeaveTheKeyForTheCacheToKeepTheOutputUnder) {
  const auto misses = {Payload(), Payload::json(nullptr)};
  for (const Payload& miss : misses) {
    const Heard heard(bus_);
    const auto cache = answering("phase.lookup", miss);
    EventAwarePhase phase(counting(), bus_);
    EXPECT_EQ(run(phase).data, "made");
    EXPECT_EQ(heard.lines(), (Lines{"phase.started plan", "phase.completed plan"}));
    EXPECT_EQ(heard.only<PhaseEventData>("phase.completed").metadata,
              (Json{{"cache_key", asked_.back().key}}));
  }
  const auto silent = bus_.subscribe("phase.lookup", [](const Event&) {});
  EventAwarePhase phase(counting(), bus_);
  EXPECT_EQ(run(phase).data, "made");
  EXPECT_EQ(executed_, 3);
}

TEST_F(PhaseLookups, AreOverAtOnceWhereTheResponderSaysThatItDoesNotKnow) {
  // An analysis gets the question too, and is at work for as long as the phase is: only the answer
  // can end the wait.
  Gate gate;
  const auto analysis =
      bus_.subscribe("*", [&](const Event&) { EXPECT_TRUE(gate.wait()); }, {.mode = Mode::async});
  const auto cache = answering("phase.lookup", Payload::json(nullptr));
  EventAwarePhase phase(counting(), bus_);
  EXPECT_EQ(run(phase).data, "made");
  EXPECT_TRUE(heard_.only<PhaseEventData>("phase.completed").metadata.contains("cache_key"));
  gate.open();
}

TEST_F(PhaseLookups, WaitForNobodyWhoDoesNotNameTheQuestion) {
  // The analysis gets the question and stays at work: whoever waited for it would wait in vain.
  Gate gate;
  const auto analysis =
      bus_.subscribe({"*", "phase.started"}, [&](const Event&) { EXPECT_TRUE(gate.wait()); },
                     {.mode = Mode::async});
  const auto silent = bus_.subscribe("phase.lookup", [](const Event&) {});
  EventAwarePhase phase(counting(), bus_);
  EXPECT_EQ(run(phase).data, "made");
  EXPECT_TRUE(heard_.only<PhaseEventData>("phase.completed").metadata.contains("cache_key"));
  EXPECT_EQ(gave_up_waiting_, 0);
  gate.open();
}

TEST_F(PhaseLookups, WaitForNobodyWhoseMailboxRefusedTheQuestion) {
  Gate gate;
  const auto analysis =
      bus_.subscribe("*", [&](const Event&) { EXPECT_TRUE(gate.wait()); }, {.mode = Mode::async});
  Gate begun;
  const auto full =
      bus_.subscribe("phase.lookup",
                     [&](const Event&) {
                       begun.open();
                       EXPECT_TRUE(gate.wait());
                     },
                     {.mode = Mode::async, .queue_capacity = 1, .overflow = Overflow::reject});
  bus_.publish("phase.lookup");
  ASSERT_TRUE(begun.wait());
  bus_.publish("phase.lookup");
  EventAwarePhase phase(counting(), bus_);
  EXPECT_EQ(run(phase).data, "made");
  EXPECT_EQ(gave_up_waiting_, 0);
  gate.open();
}

TEST_F(PhaseLookups, WaitForNobodyWhoIsPaused) {
  Subscription paused = bus_.subscribe("phase.lookup", [](const Event&) {}, {.mode = Mode::async});
  paused.pause();
  const auto silent = bus_.subscribe("phase.lookup", [](const Event&) {});
  EventAwarePhase phase(counting(), bus_);
  EXPECT_EQ(run(phase).data, "made");
  EXPECT_EQ(gave_up_waiting_, 0);
}

TEST_F(PhaseLookups, WaitForAResponderThatAnswersInItsOwnTime) {
  const auto analysis = bus_.subscribe("*", [](const Event&) {}, {.mode = Mode::async});
  const auto silent = bus_.subscribe("phase.lookup", [](const Event&) {});
  for (const Patterns& patterns :
       {Patterns{"phase.lookup"}, Patterns{"cache.clear", "phase.lookup"}}) {
    const auto cache = bus_.subscribe(
        patterns, [](const Event&, Context& context) { context.reply(Json("kept")); },
        {.mode = Mode::async});
    EventAwarePhase phase(counting(), bus_);
    EXPECT_EQ(run(phase).data, "kept");
  }
  EXPECT_EQ(executed_, 0);
}

TEST_F(PhaseLookups, AreNoneOfTheTopicsThatSayWhatAPhaseDoes) {
  const auto cache = answering("phase.lookup", {});
  Lines heard;
  const auto progress =
      bus_.subscribe<PhaseEventData>(phase_topics(), [&](const PhaseEventData&, Context& context) {
        heard.emplace_back(context.event().topic());
      });
  RetryablePhase late(failing_first("a", 1), bus_, 2, {.initial_delay = 0ns});
  run(late);
  RetryablePhase never(failing("b"), bus_, 1);
  failure_of(never);
  EXPECT_EQ(heard, (Lines{"phase.started", "phase.failed", "phase.retrying", "phase.started",
                          "phase.completed", "phase.retry_success", "phase.started", "phase.failed",
                          "phase.final_failure"}));
  EXPECT_EQ(asked_.size(), 3U);
}

TEST_F(PhaseLookups, AskByASumOfNameRequestAndData) {
  const auto cache = answering("phase.lookup", {});
  const PhaseInput input{.request = "r",
                         .data = Json::parse(R"({"b":[true,null,"\u00e9"],"a":1})")};
  EXPECT_EQ(key_of("plan", input), kKnownKey);
  PhaseInput other = input;
  other.session_id = "another";
  other.metadata = {{"user", "ann"}};
  EXPECT_EQ(key_of("plan", other), kKnownKey) << "neither session nor metadata count";
  EXPECT_NE(key_of("write", input), kKnownKey);
  other.request = "R";
  EXPECT_NE(key_of("plan", other), kKnownKey);
  other.request = "r";
  other.data["a"] = 2;
  EXPECT_NE(key_of("plan", other), kKnownKey);
  EXPECT_NE(key_of("a", {.request = "b\",\"c"}), key_of("a\",\"b", {.request = "c"}));
}

TEST_F(PhaseLookups, TellNumbersApartThatJsonTellsApart) {
  const auto cache = answering("phase.lookup", {});
  const auto key = [&](Json data) { return key_of("plan", {.request = "r", .data = data}); };
  constexpr std::uint64_t kTwoTo63 = std::uint64_t{1} << 63U;
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  const std::vector<Json> numbers{0,
                                  0.0,
                                  -0.0,
                                  1,
                                  1.0,
                                  0.1,
                                  std::nextafter(0.1, 1.0),
                                  kTwoTo63 - 1,
                                  kTwoTo63,
                                  0x1p63,
                                  std::numeric_limits<std::int64_t>::min(),
                                  kMax - 1,
                                  kMax,
                                  0x1p64};
  std::map<std::string, std::vector<Json>> by_key;
  for (const Json& number : numbers) by_key[key(number)].push_back(number);
  EXPECT_FALSE(by_key.contains("")) << "each of them has a key";
  EXPECT_EQ(by_key.size(), numbers.size());
  EXPECT_EQ(key(1), key(1U)) << "the type that holds an integer is none of JSON's";
  EXPECT_EQ(key(kTwoTo63 - 1), key(std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(key(0.1), key(Json::parse("1.0e-1")));
}

TEST_F(PhaseLookups, AskByTheSumOfWhatTheDocumentedTextHas) {
  const auto cache = answering("phase.lookup", {});
  Json data = Json::object();
  data["\u00e9"] = Json::array();
  data["z"] = Json::object();
  data["n"] = {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(),
               std::uint64_t{1} << 63U, std::numeric_limits<std::uint64_t>::max(), 0x1p63};
  data["a/b"] = "\u0001\"\\\n\x7f\u20ac";
  data["Z"] = {-0.0, 0.0, 0, 1.0, 1, 0.1, 1e100, 5e-324};
  // The sum, without the breaks and with the bytes of the code points U+7F, U+20AC and U+E9, of
  // ["plan","r",{"Z":[-0.0,0.0,0,1.0,1,0.1,1e+100,5e-324],"a/b":"\u0001\"\\\n(7f)(20ac)","n":[
  // -9223372036854775808,9223372036854775807,9223372036854775808,18446744073709551615,
  // 9.223372036854776e+18],"z":{},"(e9)":[]}]
  EXPECT_EQ(key_of("plan", {.request = "r", .data = data}),
            "e628a46042d3951ba97df0d1c7707b56750c6ef4e6c6d570e8d6666fc69040d4");
}

TEST_F(PhaseLookups, AreNotMadeForDataThatJsonCannotTell) {
  const auto cache = answering("phase.lookup", Payload::json("kept"));
  EXPECT_EQ(key_of("a", {.data = {{"x", std::numeric_limits<double>::quiet_NaN()}}}), "");
  EXPECT_EQ(key_of("a", {.data = Json::array({std::numeric_limits<double>::infinity()})}), "");
  EXPECT_EQ(executed_, 2);
}

TEST_F(PhaseLookups, AreMadeForAnInputThatIsValidAlone) {
  const auto cache = answering("phase.lookup", Payload::json("kept"));
  EventAwarePhase phase(
      counting("a", {.validate_input = [](const PhaseInput&) { return std::optional("no"); }}),
      bus_);
  EXPECT_EQ(failure_of(phase).fault, PhaseFault::invalid_input);
  EXPECT_TRUE(asked_.empty());
}

TEST_F(PhaseLookups, WithAReplyThatThePhaseRefusesAreNoHit) {
  const auto cache = answering("phase.lookup", Payload::json("of an older program"));
  EventAwarePhase phase(
      counting("a",
               {.validate_output = [](const PhaseOutput& output) -> std::optional<std::string> {
                 if (output.data == "made") return std::nullopt;
                 return "too old";
               }}),
      bus_);
  EXPECT_EQ(run(phase).data, "made");
  EXPECT_EQ(heard_.lines(), (Lines{"phase.started a", "phase.completed a"}));
}

TEST_F(PhaseLookups, WithAReplyThatIsNoJsonAreNoHit) {
  const auto cache = answering("phase.lookup", bytes("\x01\x02"));
  EventAwarePhase phase(counting(), bus_);
  EXPECT_EQ(run(phase).data, "made");
}

TEST_F(PhaseLookups, OfAResponderThatFailsOrIsSilentAreNoHit) {
  const auto broken =
      bus_.subscribe("phase.lookup", [](const Event&) { throw std::runtime_error("disk"); });
  const auto silent = bus_.subscribe("phase.lookup", [](const Event&) {}, {.mode = Mode::async});
  EventAwarePhase phase(counting(), bus_);
  EXPECT_EQ(run(phase).data, "made");
  EXPECT_TRUE(heard_.only<PhaseEventData>("phase.completed").metadata.contains("cache_key"));
}

TEST_F(PhaseLookups, AreMadeBeforeEachAttempt) {
  const auto cache =
      bus_.subscribe<PhaseLookup>("phase.lookup", [&](const PhaseLookup& lookup, Context& context) {
        asked_.push_back(lookup);
        if (asked_.size() == 2) context.reply(Json("found meanwhile"));
      });
  RetryablePhase phase(failing("a"), bus_, 3, {.initial_delay = 0ns});
  EXPECT_EQ(run(phase).data, "found meanwhile");
  EXPECT_EQ(heard_.lines(),
            (Lines{"phase.started a", "phase.failed a", "phase.retrying a", "phase.started a",
                   "cache.hit a", "phase.completed a", "phase.retry_success a"}));
  ASSERT_EQ(asked_.size(), 2U);
  EXPECT_EQ(asked_[0].key, asked_[1].key);
}

TEST_F(PhaseLookups, LeaveNoKeyForWhatAPhaseGivesThatWasAskedToStop) {
  const auto miss = answering("phase.lookup", {});
  for (const auto timeout : {std::optional<std::chrono::nanoseconds>(), {1h}}) {
    const Heard heard(bus_);
    Stopper stop;
    EventAwarePhase phase(make_phase("a",
                                     [&](const Json&, PhaseContext& context) {
                                       stop.request_stop();
                                       const auto told = [&] { return context.stop_requested(); };
                                       EXPECT_TRUE(eventually(told));
                                       return Json("half of it");
                                     },
                                     {.timeout = timeout}),
                          bus_);
    PhaseContext context(stop.get_token());
    EXPECT_EQ(phase.execute({}, context).data, "half of it");
    const auto completed = heard.only<PhaseEventData>("phase.completed");
    EXPECT_FALSE(completed.metadata.contains("cache_key")) << completed.metadata;
  }
}

TEST_F(PhaseLookups, MakeACacheOfTwoSubscriptions) {
  std::map<std::string, Json> kept;
  const auto keep =
      bus_.subscribe<PhaseEventData>("phase.completed", [&](const PhaseEventData& done) {
        const std::string key = done.metadata.value("cache_key", "");
        if (!key.empty()) kept[key] = done.output;
      });
  const auto answer =
      bus_.subscribe<PhaseLookup>("phase.lookup", [&](const PhaseLookup& lookup, Context& context) {
        if (const auto place = kept.find(lookup.key); place != kept.end()) {
          context.reply(place->second);
        }
      });
  const PhaseOrchestrator orchestrator(bus_);
  const std::vector<Shared> phases{counting("a"), counting("b")};
  EXPECT_EQ(orchestrator.execute_chain(phases, {.request = "r"}).output.data, "made");
  EXPECT_EQ(executed_, 2);
  EXPECT_EQ(orchestrator.execute_chain(phases, {.request = "r"}).output.data, "made");
  EXPECT_EQ(executed_, 2);
  EXPECT_EQ(heard_.of<CacheHit>("cache.hit").size(), 2U);
}

}  // namespace
}  // namespace busway::phase
