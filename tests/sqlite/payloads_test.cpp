// Payloads of the program's types become JSON where they are appended.
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "busway/typed.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

std::mutex written_mutex;
std::set<std::thread::id> written_on;  // guarded by written_mutex

struct Written {
  static constexpr std::string_view type_name = "written";
  int number = 0;
};
void to_json(Json& json, const Written& written) {
  const std::lock_guard lock(written_mutex);
  written_on.insert(std::this_thread::get_id());
  if (written.number == 2) throw 42;
  json = written.number;
}
void from_json(const Json& json, Written& written) { written.number = json.get<int>(); }

struct Answered final : AppendRequest {
  using AppendRequest::AppendRequest;
  void done() noexcept override {
    is_done = true;
    is_done.notify_all();
  }
  std::atomic<bool> is_done{false};
};

TEST_F(SqliteFolder, APayloadBecomesJsonOnTheThreadThatAppendsIt) {
  const std::shared_ptr<Store> store = open();
  std::vector<Event> events;
  for (int n = 1; n <= 3; ++n) {
    events.emplace_back("written", typed_payload(Written{n}),
                        EventOptions{.id = EventId{1, static_cast<std::uint64_t>(n)}});
  }
  std::vector<AppendResult> results(events.size());
  results.front().error = "of an earlier use";
  Answered request(events, results);
  store->append(request);
  request.is_done.wait(false);
  EXPECT_EQ(results[0].answer, Appended::stored) << results[0].error;
  EXPECT_EQ(results[1].answer, Appended::not_stored);
  EXPECT_FALSE(results[1].error.empty());
  EXPECT_EQ(results[2].answer, Appended::stored) << results[2].error;
  EXPECT_EQ(store->append(events[1]).answer, Appended::not_stored);
  const std::lock_guard lock(written_mutex);
  EXPECT_EQ(written_on, std::set<std::thread::id>{std::this_thread::get_id()});
}

}  // namespace
}  // namespace busway
