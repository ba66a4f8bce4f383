// All that can be done with a store, on a disk that may fail: what was answered is printed, a line
// each, and is true whatever comes after it.
//
//   refused WHY            it could not be opened
//   stored|duplicate|not_stored|unknown NUMBER
//   unsure NUMBER          its settlement begins
//   settled NUMBER done|dead|retry
//   again NUMBER           it was given out after it was settled
//   wrong NUMBER           what came is not what was appended
//   stale NUMBER           a settlement was refused though nobody had stood still
//   backup ok|failed
//   failed STEP            an exception, as a store may throw
//   end
#include <cstdio>
#include <exception>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "worker.hpp"

namespace busway::worker {
namespace {

class Life {
 public:
  Life(std::shared_ptr<Store> store, std::string backup)
      : store_(std::move(store)), backup_(std::move(backup)) {}

  void run() {
    for (int round = 0; round < 3; ++round) {
      append_some();
      step("open", [&] {
        consumer_ = store_->open({.name = "work",
                                  .patterns = {Pattern::glob("number.*")},
                                  .start = Replay::beginning()});
      });
      for (int i = 0; i < 2 && consumer_ != nullptr; ++i) {
        step("work", [&] { work_some(); });
      }
      step("trim", [&] { (void)store_->trim({.max_events = 8}); });
      if (round == 1) back_up();
      step("vacuum", [&] { store_->vacuum(); });
      consumer_.reset();
    }
  }

 private:
  template <class F>
  static void step(const char* name, F&& does) {
    try {
      does();
    } catch (const Error& error) {
      std::printf("failed %s %s\n", name, error.what());
    }
  }

  static void tell(const std::string& what, std::uint64_t number, const char* more = "") {
    std::printf("%s %llu %s\n", what.c_str(), static_cast<unsigned long long>(number), more);
  }

  void append_some() {
    std::vector<Event> events;
    for (int i = 0; i < 3; ++i, ++next_) events.push_back(event_of(next_, EventId{1, next_}));
    std::vector<AppendResult> results(events.size());
    store_->append(events, results);
    for (std::size_t i = 0; i < events.size(); ++i) {
      tell(std::string(to_string(results[i].answer)), number_of(events[i]));
    }
    for (int i = 0; i < 2; ++i, ++next_) {
      const AppendResult result = store_->append(event_of(next_, EventId{1, next_}));
      tell(std::string(to_string(result.answer)), next_);
    }
  }

  void work_some() {
    const FetchResult fetched = consumer_->fetch(4);
    for (const Leased& one : fetched.deliveries) {
      const std::uint64_t number = number_of(one.event);
      if (one.event.id() != EventId{1, number}) tell("wrong", number);
      if (settled_.contains(number)) tell("again", number);
      const bool dead = number % 4 == 0;
      const bool retry = number % 4 == 1 && !retried_.contains(number);
      Settlement settlement{.sequence = one.sequence, .reason = dead || retry ? "no" : ""};
      if (dead) settlement.kind = Settlement::Kind::dead_letter;
      if (retry) settlement.kind = Settlement::Kind::retry;
      tell("unsure", number);  // until it is settled
      step("settle", [&] {
        const SettleResult result = consumer_->settle({&settlement, 1});
        if (result.accepted != 1) return tell("stale", number);
        (retry ? retried_ : settled_).insert(number);
        tell("settled", number, dead ? "dead" : retry ? "retry" : "done");
      });
    }
  }

  void back_up() {
    try {
      store_->backup(backup_);
      std::puts("backup ok");
    } catch (const Error& error) {
      std::printf("backup failed %s\n", error.what());
    }
  }

  const std::shared_ptr<Store> store_;
  const std::string backup_;
  std::unique_ptr<StoreConsumer> consumer_;
  std::set<std::uint64_t> settled_;
  std::set<std::uint64_t> retried_;
  std::uint64_t next_ = 1;
};

}  // namespace

int live(const char* address, const char* durability, const char* backup) {
  const std::shared_ptr<Store> store = open_or_tell(address, durability);
  if (store == nullptr) return 0;
  Life(store, backup).run();
  store->close();
  std::puts("end");
  return 0;
}

}  // namespace busway::worker
