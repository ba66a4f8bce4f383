#include "writer.hpp"

#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigset_t

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <utility>

#include "base/escape.hpp"
#include "base/one_shot.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"

namespace busway::sqlite {
namespace {

/// Events of one transaction: more wait for the next one, so that no answer is long in coming.
constexpr std::size_t kEventsAtOnce = 8'192;
/// The write-ahead log is folded into the database when it has grown to so many pages (of 4 KiB).
constexpr int kCheckpointPages = 2'000;
constexpr auto kIdleAfter = std::chrono::milliseconds(500);

/// Of a COMMIT that failed: whether no frame of it that counts can stand in the log. Where the disk
/// is full the last one is not whole, and whoever is refused for a lock has not begun to write. All
/// else, no memory above all, can come after the last frame was written.
bool surely_left_nothing(const Fault& fault) noexcept {
  return fault.kind() == SQLITE_FULL || fault.kind() == SQLITE_BUSY ||
         fault.kind() == SQLITE_LOCKED;
}

}  // namespace

struct Writer::Call {
  std::function<void(Transaction&)> function;
  Patience patience = Patience::whole;
  detail::OneShot answered{};
  std::exception_ptr error{};
};

Writer::Writer(Settings settings)
    : settings_(std::move(settings)),
      gate_(settings_.path + "-gate"),
      database_(settings_.path, Database::Access::write),
      begin_(database_, "BEGIN IMMEDIATE"),
      commit_(database_, "COMMIT"),
      savepoint_(database_, "SAVEPOINT one"),
      back_to_savepoint_(database_, "ROLLBACK TO one"),
      release_(database_, "RELEASE one"),
      is_set_aside_(database_, "SELECT 1 FROM set_aside WHERE seq=?"),
      events_(database_, settings_.options.compress_above),
      durables_(database_),
      reader_(database_),
      after_(database_, select_events(kAfter)),
      times_(database_) {
  database_.run(settings_.durability == Durability::power_loss ? "PRAGMA synchronous=FULL"
                                                               : "PRAGMA synchronous=NORMAL");
  read_settings();
  // For a writer of another program, which knows of no gate.
  sqlite3_busy_timeout(database_.handle(),
                       static_cast<int>(std::clamp<std::int64_t>(
                           settings_.options.timeout.count() / 1'000'000, 1, 1'000'000'000)));
  database_.run("PRAGMA wal_autocheckpoint=0");
  database_.run("PRAGMA cache_size=-16384");
  database_.run("PRAGMA temp_store=MEMORY");
  // Statements were prepared: SQLite has opened what belongs to the database.
  files_.emplace(settings_.path, settings_.identity);
  sqlite3_wal_hook(
      database_.handle(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Writer*>(self)->log_pages_ = pages;
        static_cast<Writer*>(self)->log_has_more_ = true;
        return SQLITE_OK;
      },
      this);
  thread_ = std::thread([this] { run(); });
}

/// What SQLite really does, whatever it was asked for.
void Writer::read_settings() {
  constexpr std::int64_t kFull = 2;
  const std::string mode = database_.text("PRAGMA journal_mode");
  const std::int64_t synchronous = database_.number("PRAGMA synchronous");
  synchronous_ = synchronous;
  durability_ = synchronous >= kFull ? Durability::power_loss : Durability::process_crash;
  if (mode == "wal" && durability_ >= settings_.durability) return;
  throw Error(ErrorCode::store_unavailable,
              sentence("SQLite gives it journal_mode " + mode + " and synchronous " +
                       std::to_string(synchronous) + ", and not what the durability " +
                       std::string(to_string(settings_.durability)) + " needs"));
}

void Writer::write_out(const AppendRequest& request) noexcept {
  const std::span<const Event> events = request.events();
  for (std::size_t i = 0; i < events.size(); ++i) {
    AppendResult& result = request.results()[i];
    result.is_of_event = false;
    const auto refuse_it = [&](const char* why) {
      refuse({&result, 1}, Appended::not_stored, why);
      result.is_of_event = true;
    };
    try {
      if (events[i].has_payload()) (void)events[i].bytes();
    } catch (const std::exception& error) {
      refuse_it(error.what());
    } catch (...) {
      refuse_it("its payload threw what is no std::exception");
    }
  }
}

void Writer::append(AppendRequest& request) noexcept {
  write_out(request);
  enqueue(request);
}

void Writer::enqueue(AppendRequest& request) noexcept {
  bool wake = false;
  bool refused = false;
  try {
    const std::lock_guard lock(mutex_);
    refused = closing_;
    if (!refused) {
      appends_.push_back({.request = &request});
      wake = !writing_ && std::exchange(sleeping_, false);
    }
  } catch (...) {
    refuse(request.results(), Appended::not_stored, "no memory");
    request.done();
    return;
  }
  if (refused) {
    refuse(request.results(), Appended::not_stored, sentence("it is closed"));
    request.done();
  } else if (wake) {
    wanted_.notify_one();
  }
}

bool Writer::start_writing(Crowd crowd) noexcept {
  const std::lock_guard lock(mutex_);
  if (writing_ || closing_ || !appends_.empty() || !calls_.empty()) return false;
  if (crowd == Crowd::waits && crowded_) return false;
  writing_ = true;
  return true;
}

void Writer::stop_writing(Batch& left) noexcept {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    crowded_ = appends_.size() > 1 || left.requests > 1;
    try {
      appends_.insert(appends_.begin(), left.appends.begin(), left.appends.end());
      left.appends.clear();
    } catch (const std::exception&) {
      // No memory: those have to be refused.
    }
    wake = !appends_.empty() || !calls_.empty() || closing_;
    if (wake) sleeping_ = false;
  }
  if (wake) wanted_.notify_one();
  if (!left.empty()) answer(left, Outcome::failed, "no memory");
}

void Writer::append_here(AppendRequest& request) noexcept {
  write_out(request);
  if (!start_writing(Crowd::waits)) return enqueue(request);
  Batch batch;
  batch.appends.push_back({.request = &request});
  commit(batch);
  stop_writing(batch);
}

void Writer::call(std::function<void(Transaction&)> function, Patience patience) {
  Call call{.function = std::move(function), .patience = patience};
  if (start_writing(Crowd::any)) {
    Batch batch;
    batch.calls.push_back(&call);
    commit(batch);
    stop_writing(batch);
  } else {
    bool wake = false;
    {
      const std::lock_guard lock(mutex_);
      if (closing_) throw Error(ErrorCode::stopped, sentence("it is closed"));
      calls_.push_back(&call);
      wake = !writing_ && std::exchange(sleeping_, false);
    }
    if (wake) wanted_.notify_one();
  }
  call.answered.wait();
  if (call.error) std::rethrow_exception(call.error);
}

void Writer::close() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
    closing_ = true;
  }
  wanted_.notify_one();
  if (thread_.joinable()) thread_.join();
}

/// Waits until there is something to write and nobody else writes. False: it is over.
bool Writer::take(Batch& batch) {
  std::unique_lock lock(mutex_);
  const auto is_wanted = [this] {
    return !writing_ && (!appends_.empty() || !calls_.empty() || closing_);
  };
  for (;;) {
    sleeping_ = !is_wanted();
    const bool wanted = !sleeping_ || wanted_.wait_for(lock, kIdleAfter, is_wanted);
    sleeping_ = false;
    if (wanted) break;
    if (writing_) continue;  // another: it is not idle, and its turn is not this thread's to end
    writing_ = true;
    lock.unlock();
    checkpoint();
    lock.lock();
    writing_ = false;
  }
  writing_ = true;
  batch.calls.swap(calls_);
  std::size_t events = 0;
  std::size_t requests = 0;
  while (requests < appends_.size() && events < kEventsAtOnce) {
    const Pending& one = appends_[requests++];
    events += one.request->events().size() - one.from;
  }
  const auto end = appends_.begin() + static_cast<std::ptrdiff_t>(requests);
  batch.appends.assign(appends_.begin(), end);
  appends_.erase(appends_.begin(), end);
  batch.requests = requests;
  return !(closing_ && batch.empty());
}

void Writer::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  for (Batch batch; take(batch); batch = {}) {
    if (!batch.empty()) commit(batch);
    stop_writing(batch);
  }
  checkpoint();
}

Writer::Batch Writer::split(Batch& batch) {
  Batch rest;
  std::size_t events = 0;
  std::size_t bytes = 0;
  bool full = false;
  auto one = batch.appends.begin();
  for (; one != batch.appends.end() && !full; ++one) {
    const std::span<const Event> all = one->request->events();
    for (one->to = one->from; one->to < all.size(); ++one->to) {
      const Event& event = all[one->to];
      const bool refused = one->request->results()[one->to].is_of_event;
      const std::size_t size = refused || !event.has_payload() ? 0 : event.bytes().size();
      full = events == kEventsAtOnce || (events != 0 && bytes + size > limits::kStoreBytesAtOnce);
      if (full) break;
      ++events;
      bytes += size;
      try {
        if (size > settings_.options.compress_above) events_.pack(event);
      } catch (const std::exception&) {
        // It is told of where it is stored.
      }
    }
    if (full && one->to == one->from) break;
  }
  rest.appends.assign(one, batch.appends.end());
  batch.appends.erase(one, batch.appends.end());
  return rest;
}

void Writer::commit(Batch& batch) {
  const Batch rest = split(batch);
  commit_part(batch);
  events_.forget_packed();
  batch.appends.insert(batch.appends.end(), rest.appends.begin(), rest.appends.end());
}

std::chrono::nanoseconds Writer::patience_for(const Batch& batch) const {
  const bool waits = !is_stuck_ || !batch.appends.empty() ||
                     std::any_of(batch.calls.begin(), batch.calls.end(),
                                 [](const Call* one) { return one->patience == Patience::whole; });
  return waits ? settings_.options.timeout : std::chrono::nanoseconds(0);
}

void Writer::commit_part(Batch& batch) {
  if (!gate_.is_ours()) {
    answer(batch, Outcome::failed,
           "it was opened before fork(), and a child has nothing of it; open it in the child");
    return;
  }
  if (!gate_.lock(patience_for(batch))) {
    is_stuck_ = true;
    answer(batch, Outcome::failed,
           "another process held " + escape(settings_.path) + "-gate for longer than " +
               std::to_string(
                   std::chrono::duration_cast<std::chrono::milliseconds>(settings_.options.timeout)
                       .count()) +
               "ms");
    return;
  }
  is_stuck_ = false;
  Outcome outcome = Outcome::failed;
  std::string why;
  while (!batch.empty()) {
    why = files_->missing();
    if (!why.empty()) {
      // What was acknowledged is saved if it can be: a log without a name is found by nobody.
      if (log_has_more_ && files_->may_checkpoint()) fold_log();
      break;
    }
    bool committing = false;
    try {
      culprit_append_ = nullptr;
      culprit_call_ = nullptr;
      now_ = settings_.options.clock->wall().time_since_epoch().count();
      begin_.run();
      next_sequence_ = 0;
      if (now_ + kSetBack < last_now_) durables_.shorten_waits(now_);
      if (!run_all(batch)) {
        roll_back();
        outcome = Outcome::taken_back;
        break;
      }
      committing = true;
      commit_.run();
      outcome = Outcome::committed;
      break;
    } catch (const Fault& fault) {
      why = fault.what();
      roll_back();
      if (committing) {
        // The frames of the commit may stand in the log, to be found when it is recovered.
        if (!surely_left_nothing(fault)) outcome = Outcome::unknown;
        break;
      }
      if (culprit_append_ == nullptr && culprit_call_ == nullptr) break;
      Batch alone;
      if (culprit_append_ != nullptr) {
        const auto one =
            std::find_if(batch.appends.begin(), batch.appends.end(),
                         [this](const Pending& any) { return any.request == culprit_append_; });
        alone.appends.push_back(*one);
        batch.appends.erase(one);
      } else {
        std::erase(batch.calls, culprit_call_);
        alone.calls.push_back(culprit_call_);
      }
      answer(alone, Outcome::failed, why);
    }
  }
  if (outcome == Outcome::committed) {
    if (next_sequence_ != 0) last_sequence_ = next_sequence_ - 1;
    last_now_ = now_;
    ++commits_;
    // One that a reader holds up is not tried again at each commit.
    if (log_pages_ < checkpointed_at_) checkpointed_at_ = 0;
    if (log_pages_ - checkpointed_at_ >= kCheckpointPages) {
      checkpointed_at_ = log_pages_;
      fold_log();
    }
  }
  gate_.unlock();
  // Whoever has an answer, and looks whether there is anything to do, finds that there is.
  const bool is_news = !batch.appends.empty() || quiet_calls_ != batch.calls.size();
  if (outcome == Outcome::committed && is_news) settings_.committed();
  answer(batch, outcome, why);
}

bool Writer::run_all(Batch& batch) {
  Transaction transaction{.database = database_,
                          .durables = durables_,
                          .scan = {after_, reader_, durables_},
                          .now = now_};
  // What it gives are sequences: it must not depend on what the calls remove.
  if (!batch.appends.empty()) next_sequence_ = transaction.last_sequence() + 1;
  // With nobody else in the transaction that itself is taken back.
  const bool alone = batch.calls.size() == 1 && batch.appends.empty();
  for (Call* const call : batch.calls) {
    culprit_call_ = call;
    call->error = nullptr;
    if (!alone) savepoint_.run();
    try {
      call->function(transaction);
      if (!alone) release_.run();
    } catch (const Fault&) {
      throw;
    } catch (const std::exception&) {
      // Its own affair: the others go on.
      call->error = std::current_exception();
      if (alone) return false;
      database_.end_statements();
      back_to_savepoint_.run();
      release_.run();
    }
    culprit_call_ = nullptr;
  }
  for (const Pending& one : batch.appends) {
    culprit_append_ = one.request;
    append_all(one);
    culprit_append_ = nullptr;
  }
  if (!batch.appends.empty()) times_.close(transaction.last_sequence() + 1, next_sequence_ - 1);
  quiet_calls_ = transaction.quiet_calls;
  return true;
}

void Writer::append_all(const Pending& pending) {
  const AppendRequest& request = *pending.request;
  for (std::size_t i = pending.from; i < pending.to; ++i) {
    const Event& event = request.events()[i];
    AppendResult& result = request.results()[i];
    if (result.is_of_event) continue;
    result = {};
    try {
      if (events_.insert(event, next_sequence_, now_, settings_.opening)) {
        result.answer = Appended::stored;
        result.sequence = next_sequence_++;
      } else {
        result.answer = Appended::duplicate;
        result.sequence = events_.sequence_of(event.id());
        if (is_set_aside_.start(result.sequence).step()) {
          result = {.answer = Appended::not_stored,
                    .error = "the event that was stored under this id is damaged",
                    .is_of_event = true};
        }
        is_set_aside_.reset();
      }
    } catch (const Fault&) {
      throw;
    } catch (const std::bad_alloc&) {
      refuse({&result, 1}, Appended::not_stored, "no memory");
    } catch (const std::exception& error) {
      refuse({&result, 1}, Appended::not_stored, error.what());
      result.is_of_event = true;
    }
  }
}

void Writer::answer(Batch& batch, Outcome outcome, const std::string& why) noexcept {
  const auto is_done = [&](Pending& one) {
    const std::span<AppendResult> results = one.request->results();
    const std::span<AppendResult> part = results.subspan(one.from, one.to - one.from);
    if (outcome == Outcome::committed) {
      for (const AppendResult& result : part) {
        appended_ += result.answer == Appended::stored ? 1 : 0;
        duplicates_ += result.answer == Appended::duplicate ? 1 : 0;
      }
      one.from = one.to;
      if (one.to != results.size()) return false;
    } else {
      refuse(results.subspan(one.from), Appended::not_stored, sentence(why));
      if (outcome == Outcome::unknown) refuse(part, Appended::unknown, sentence(why));
    }
    one.request->done();
    return true;
  };
  std::erase_if(batch.appends, is_done);
  for (Call* const call : batch.calls) {
    if (outcome != Outcome::committed && outcome != Outcome::taken_back) {
      call->error = std::make_exception_ptr(Error(ErrorCode::store_unavailable, sentence(why)));
    }
    call->answered.set();
  }
  batch.calls.clear();
}

void Writer::refuse(std::span<AppendResult> results, Appended answer,
                    const std::string& why) noexcept {
  for (AppendResult& result : results) {
    result.answer = answer;
    result.sequence = 0;
    result.is_of_event = false;
    try {
      result.error = why;
    } catch (...) {
      result.error.clear();
    }
  }
}

void Writer::roll_back() noexcept {
  events_.topics().forget();  // numbers of a transaction that is gone
  database_.end_statements();
  if (!database_.in_transaction()) return;
  sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

/// While nobody waits: what the log holds goes into the database.
void Writer::checkpoint() noexcept {
  if (!log_has_more_ || !gate_.lock(std::chrono::milliseconds(0))) return;
  if (files_->may_checkpoint()) fold_log();
  log_has_more_ = false;
  gate_.unlock();
}

void Writer::fold_log() noexcept {
  sqlite3_wal_checkpoint_v2(database_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr,
                            nullptr);
  log_has_more_ = false;
}

std::string Writer::sentence(const std::string& why) const {
  return "the store sqlite:" + escape(settings_.path) + ": " + why;
}

}  // namespace busway::sqlite
