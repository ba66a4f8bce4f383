#include "../../apps/busway/find_host.hpp"

#include <gtest/gtest.h>

#include "busway/error.hpp"
#include "process.hpp"

namespace busway::app {
namespace {

using Hosts = std::vector<host_detail::ControlHost>;

const Hosts kTwo{{.process_id = 12, .path = "/run/12.sock"},
                 {.process_id = 345, .path = "/run/345.sock"}};

std::string found(const std::string& named, const Hosts& running) {
  return find_host(named, [&] { return running; });
}

Error refusal(const std::string& named, const Hosts& running) {
  try {
    return {ErrorCode::ok, found(named, running)};
  } catch (const Error& error) {
    return error;
  }
}

TEST(FindHost, TakesTheOnlyOneThatRuns) { EXPECT_EQ(found("", {kTwo.front()}), "/run/12.sock"); }

TEST(FindHost, ListsThemWhenThereAreSeveral) {
  const Error error = refusal("", kTwo);
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_EQ(std::string_view(error.what()),
            "2 hosts of this user run; name one of them with --host PID: 12 (\"/run/12.sock\"), "
            "345 (\"/run/345.sock\")");
}

TEST(FindHost, SaysWhatToDoWhenThereIsNone) {
  const Error error = refusal("", {});
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_TRUE(has(error.what(), "busway run")) << error.what();
  EXPECT_TRUE(has(error.what(), "--host PATH")) << error.what();
}

TEST(FindHost, TakesANumberForAProcessAndAllElseForAPath) {
  EXPECT_EQ(found("345", kTwo), "/run/345.sock");
  EXPECT_EQ(found("./345", kTwo), "./345");
  EXPECT_EQ(found("bot.sock", {}), "bot.sock");
  const Error error = refusal("34", kTwo);
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_TRUE(has(error.what(), "process id 34 ")) << error.what();
  EXPECT_TRUE(has(error.what(), "345 (\"/run/345.sock\")")) << error.what();
  EXPECT_TRUE(has(refusal("34", {}).what(), "none runs"));
}

}  // namespace
}  // namespace busway::app
