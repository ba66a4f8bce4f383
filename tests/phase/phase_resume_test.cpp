// A chain goes on after a restart where it had come to.
#include <memory>

#include "busway/store_provider.hpp"
#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

struct Resume : ::testing::Test {
  std::shared_ptr<Store> store = open_store("memory:");
  BusOptions options() {
    BusOptions made = quiet();
    made.opened_store = store;
    made.keep = std::vector<std::string>{"phase.*", "chain.*"};
    made.history = 0;
    return made;
  }
};

TEST_F(Resume, AChainGoesOnBehindTheLastPhaseThatCompleted) {
  std::string session;
  {
    Bus bus(options());
    const ChainResult first = PhaseOrchestrator(bus).execute_chain(
        {adding("plan"), adding("write"), failing("review"), adding("print")},
        {.request = "a poem", .data = Json::array({"begin"}), .metadata = {{"by", "ann"}}});
    EXPECT_EQ(first.failed_phase, "review");
    session = first.session_id;
  }
  Bus bus(options());
  const Heard heard(bus);
  std::string request;
  const Shared review = make_phase("review", [&](const PhaseInput& input) -> Json {
    request = input.request;
    EXPECT_EQ(input.session_id, session);
    EXPECT_EQ(input.metadata.at("by"), "ann");
    Json list = input.data;
    list.push_back("review");
    return list;
  });
  const ChainResult second = PhaseOrchestrator(bus).resume(
      session, {adding("plan"), adding("write"), review, adding("print")});
  ASSERT_TRUE(second.ok()) << second.error->message;
  EXPECT_EQ(second.output.data, (Json{"begin", "plan", "write", "review", "print"}));
  EXPECT_EQ(second.completed_phases, (Lines{"plan", "write", "review", "print"}));
  EXPECT_EQ(request, "a poem");
  EXPECT_EQ(heard.lines(),
            (Lines{"chain.started", "phase.started review", "phase.completed review",
                   "phase.started print", "phase.completed print", "chain.completed"}));
  EXPECT_EQ(heard.only<ChainEventData>("chain.started").completed_phases, (Lines{"plan", "write"}));
}

TEST_F(Resume, OneThatHasCompletedGivesItsResultAndSaysNothing) {
  std::string session;
  {
    Bus bus(options());
    session = PhaseOrchestrator(bus).execute_chain({adding("a"), adding("b")}).session_id;
  }
  Bus bus(options());
  const Heard heard(bus);
  const ChainResult again = PhaseOrchestrator(bus).resume(session, {adding("a"), adding("b")});
  EXPECT_TRUE(again.ok());
  EXPECT_EQ(again.output.data, (Json{"a", "b"}));
  EXPECT_TRUE(heard.lines().empty());
}

TEST_F(Resume, OfAGraphWhatHasCompletedCountsAlongItsEdges) {
  const auto graph = [](Shared left, Shared right) {
    return std::vector<ChainStep>{{.phase = adding("root")},
                                  {.phase = std::move(left), .after = {"root"}},
                                  {.phase = std::move(right), .after = {"root"}},
                                  {.phase = adding("end"), .after = {"left", "right"}}};
  };
  std::string session;
  {
    Bus bus(options());
    ChainOptions one_at_a_time;
    one_at_a_time.max_parallel = 1;
    const ChainResult first = PhaseOrchestrator(bus).execute_graph(
        graph(adding("left"), failing("right")), {}, one_at_a_time);
    EXPECT_EQ(first.completed_phases, (Lines{"root", "left"}));
    session = first.session_id;
  }
  Bus bus(options());
  const Heard heard(bus);
  const ChainResult second = PhaseOrchestrator(bus).resume_graph(
      session, graph(failing("left", "it was done before"), adding("right")));
  ASSERT_TRUE(second.ok()) << second.error->message;
  EXPECT_EQ(second.completed_phases, (Lines{"root", "left", "right", "end"}));
  EXPECT_EQ(second.output_of("left")->data, (Json{"root", "left"}));
}

TEST_F(Resume, ASessionOfWhichNothingIsKnownIsAnError) {
  Bus bus(options());
  const std::string why = error_of(
      ErrorCode::not_found, [&] { (void)PhaseOrchestrator(bus).resume("nobody", {adding("a")}); });
  EXPECT_NE(why.find("nobody"), std::string::npos) << why;
}

TEST(ResumeInMemory, WithoutAStoreTheHistoryTells) {
  Bus bus(quiet());
  const ChainResult first = PhaseOrchestrator(bus).execute_chain({adding("a"), failing("b")});
  const ChainResult second =
      PhaseOrchestrator(bus).resume(first.session_id, {failing("a"), adding("b")});
  ASSERT_TRUE(second.ok()) << second.error->message;
  EXPECT_EQ(second.output.data, (Json{"a", "b"}));
}

}  // namespace
}  // namespace busway::phase
