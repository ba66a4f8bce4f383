// An author of a store, who has what is installed and no test framework: lets the disk fail at each
// call under what uses the store, and kills it again and again. Here on sqlite.
//
// Without words it is the test, which runs these:
//
//   append PATH              appends some numbers, and prints each with the store's answer
//   publish PATH NOTES RUN   appends numbers until the end of its input, notes those acknowledged
//   consume PATH NOTES       handles numbers until the end of its input, then the rest; notes each
#include <poll.h>
#include <stdlib.h>  // mkdtemp
#include <unistd.h>

#include <busway/sqlite.hpp>
#include <busway/testing/delivery_audit.hpp>
#include <busway/testing/failing_disk.hpp>
#include <busway/testing/kill_rounds.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace busway;
using namespace busway::testing;

// -- What is run ----------------------------------------------------------------------------------

Event number_event(const EventId& id, std::uint64_t number) {
  return Event("number.made",
               bytes(std::string_view(reinterpret_cast<const char*>(&number), sizeof number)),
               {.id = id});
}

int append(const std::string& path) {
  std::shared_ptr<Store> store;
  try {
    store = open_sqlite_store(path);
  } catch (const Error&) {
    return 0;  // as it may, on such a disk
  }
  for (std::uint64_t n = 1; n <= 5; ++n) {
    const AppendResult result = store->append(number_event(EventId{1, n}, n));
    std::printf("%d %s\n", static_cast<int>(n), std::string(to_string(result.answer)).c_str());
  }
  return 0;
}

bool input_has_ended(int wait_ms) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return poll(&input, 1, wait_ms) > 0;
}

int publish(const std::string& path, const std::string& notes_path, std::uint64_t run) {
  const NoteFile notes(notes_path);
  const std::shared_ptr<Store> store = open_sqlite_store(path);
  for (std::uint64_t n = 1; !input_has_ended(0); ++n) {
    const EventId id{run, n};
    if (store->append(number_event(id, n)).ok()) notes.add({.id = id, .content = n});
  }
  return 0;
}

int consume(const std::string& path, const std::string& notes_path) {
  const NoteFile notes(notes_path);
  const std::shared_ptr<Store> store = open_sqlite_store(path);
  const auto consumer =
      store->open({.name = "work", .patterns = {Pattern::glob("*")}, .start = Replay::beginning()});
  for (;;) {
    const FetchResult fetched = consumer->fetch(100);
    std::vector<Settlement> done;
    for (const Leased& one : fetched.deliveries) {
      std::uint64_t number = 0;
      std::memcpy(&number, one.event.bytes().data(), sizeof number);
      notes.add({.id = one.event.id(), .content = number});
      done.push_back({.sequence = one.sequence});
    }
    if (!done.empty()) (void)consumer->settle(done);
    if (fetched.more || !done.empty() || !input_has_ended(5)) continue;
    const DurableInfo work = store->durables().at(0);
    if (work.lag == 0 && work.leased == 0) return 0;
  }
}

// -- The test -------------------------------------------------------------------------------------

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "store-faults-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder");
    path_ = std::filesystem::canonical(name);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }
  std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

void check(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

/// What has been answered is true, though the disk has failed.
void check_answers(const std::vector<std::string>& lines, const std::string& path) {
  const std::shared_ptr<Store> store = open_sqlite_store(path);
  for (const std::string& line : lines) {
    std::istringstream words(line);
    std::uint64_t number = 0;
    std::string answer;
    words >> number >> answer;
    const bool is_there = store->find(EventId{1, number}).has_value();
    check(answer != "stored" || is_there, line + ", and it is lost");
    check(answer != "not_stored" || !is_there, line + ", and it is there");
  }
}

void fail_each_call() {
  // begin: failing_disk
  const FailingDisk disk{.library = BUSWAY_FAILING_DISK};
  for (long n = 1;; ++n) {
    const Folder place;
    const std::string path = place.file("events.db");
    const FailingDisk::Run ran = disk.run({"/proc/self/exe", "append", path}, place.path(), n);
    check(ran.exit_code == 0, "call " + std::to_string(n) + " ended the program");
    check_answers(ran.lines, path);
    if (ran.clean()) break;
  }
  // end: failing_disk
}

void kill_again_and_again() {
  const Folder place;
  const std::string path = place.file("events.db");
  const std::string published = place.file("published");
  const std::string handled = place.file("handled");
  // begin: kill_rounds
  const auto start = [](std::vector<std::string> words) {
    words.insert(words.begin(), "/proc/self/exe");
    return std::make_unique<Process>(words);
  };
  KillRounds rounds;
  rounds.add({[&](int) { return start({"consume", path, handled}); }});
  rounds.add({[&](int round) {
    return start({"publish", path, published, std::to_string(round + 1)});
  }});
  rounds.run(20);
  check(rounds.end(), "one does not end well");

  DeliveryAudit audit;
  for (const DeliveryNote& one : NoteFile::read(published)) audit.acknowledged(one);
  for (const DeliveryNote& one : NoteFile::read(handled)) audit.delivered("work", one);
  const DeliveryAudit::Findings found = audit.findings("work");
  for (const std::string& one : found.lost) check(false, "lost: " + one);
  for (const std::string& one : found.changed) check(false, "changed: " + one);
  // end: kill_rounds
  check(audit.acknowledged_count() > 0, "nothing was published");
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments, arguments + count);
  const std::string what = count > 1 ? words[1] : "";
  try {
    if (what == "append" && count == 3) return append(words[2]);
    if (what == "publish" && count == 5) return publish(words[2], words[3], std::stoull(words[4]));
    if (what == "consume" && count == 4) return consume(words[2], words[3]);
    fail_each_call();
    kill_again_and_again();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", what.c_str(), error.what());
    return 1;
  }
  return 0;
}
