// A chain of phases goes on after its process was killed in the middle of it.
#include <nlohmann/json.hpp>

#include "busway/busway.hpp"
#include "busway/function_phase.hpp"
#include "busway/phase_orchestrator.hpp"
#include "busway/testing/process.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

using testing::Process;

TEST_F(SqliteFolder, AChainWhoseProcessIsKilledGoesOnBehindTheLastPhaseThatCompleted) {
  Process process({BUSWAY_SQLITE_WORKER, "chain", "sqlite:" + path});
  const std::string session = process.read_line();  // it stands in c
  ASSERT_FALSE(session.empty());
  process.kill_now();

  BusOptions options;
  options.store = "sqlite:" + path;
  Bus bus(options);
  std::vector<std::string> ran;
  std::string request;
  const auto adding = [&](const std::string& name) {
    return phase::make_phase(name, [&, name](const phase::PhaseInput& input) -> Json {
      ran.push_back(name);
      request = input.request;
      Json list = input.data;
      list.push_back(name);
      return list;
    });
  };
  const auto steps = [&] {
    return std::vector<std::shared_ptr<phase::Phase>>{adding("a"), adding("b"), adding("c"),
                                                      adding("d")};
  };
  const phase::ChainResult result = phase::PhaseOrchestrator(bus).resume(session, steps());
  ASSERT_TRUE(result.ok()) << result.error->message;
  EXPECT_EQ(ran, (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(request, "a poem");
  EXPECT_EQ(result.output.data, (Json{"begin", "a", "b", "c", "d"}));
  EXPECT_EQ(result.completed_phases, (std::vector<std::string>{"a", "b", "c", "d"}));
}

}  // namespace
}  // namespace busway
