// Request and reply: an event whose first answer is waited for.
#include <algorithm>
#include <array>
#include <condition_variable>
#include <stop_token>
#include <utility>

#include "base/deadline.hpp"
#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "bus/bus_core.hpp"

namespace busway::detail {

struct BusCore::PendingRequest {
  std::mutex mutex;
  std::condition_variable answered;
  bool done = false;
  bool stopped = false;  // nobody will reply, or nobody is to wait any more
  Payload payload;

  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopped = true;
    }
    answered.notify_all();
  }
};

void BusCore::end_requests() {
  const std::lock_guard lock(request_mutex_);
  for (const auto& [id, pending] : requests_) pending->stop();
}

EventId BusCore::make_id() { return thread_state().ids->next(wall_ns()); }

bool BusCore::reply(const EventId& request, Payload payload) {
  std::shared_ptr<PendingRequest> pending;
  {
    const std::lock_guard lock(request_mutex_);
    const auto place = requests_.find(request);
    if (place == requests_.end()) {
      late_replies_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    pending = place->second;
  }
  {
    const std::lock_guard lock(pending->mutex);
    if (pending->done || pending->stopped) {
      late_replies_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    pending->done = true;
    pending->payload = std::move(payload);
  }
  pending->answered.notify_all();
  return true;
}

RequestResult BusCore::request(std::string_view topic, const Draft& draft,
                               std::chrono::nanoseconds timeout, const std::stop_token& stop,
                               Repliers repliers) {
  if (timeout <= std::chrono::nanoseconds::zero()) {
    throw Error(ErrorCode::invalid_argument,
                "request: the timeout is " + duration_words(timeout) + "; it is longer than 0");
  }
  const auto deadline = deadline_after(timeout);
  Event event = make_event(topic, draft);
  EventAccess::set_id(
      event, draft.options != nullptr && draft.options->id ? *draft.options->id : make_id());
  const auto pending = std::make_shared<PendingRequest>();
  {
    const std::lock_guard lock(request_mutex_);
    if (!requests_.emplace(event.id(), pending).second) {
      return {ErrorCode::already_exists,
              "a request with the id " + to_string(event.id()) +
                  " waits for its reply already; each request needs an id of its own"};
    }
  }
  struct Forget {
    BusCore& core;
    const EventId id;
    ~Forget() {
      const std::lock_guard lock(core.request_mutex_);
      core.requests_.erase(id);
    }
  } const forget{*this, event.id()};

  const std::stop_callback when_stopped(stop, [&pending] { pending->stop(); });
  QueuedInto queued(event.id());
  const PublishResult published = [&] {
    struct Note {
      explicit Note(QueuedInto& mine) noexcept
          : before(std::exchange(thread_locals.queued_into, &mine)) {}
      ~Note() { thread_locals.queued_into = before; }
      QueuedInto* const before;
    } const note(queued);
    return publish(event);
  }();
  if (published.code != ErrorCode::ok) return {published.code, published.message()};
  const auto answered = [&] {
    const std::lock_guard lock(pending->mutex);
    return pending->done;
  };
  const auto stopped = [&] {
    const std::lock_guard lock(pending->mutex);
    return pending->stopped;
  };
  const auto take = [&]() -> RequestResult {
    const std::lock_guard lock(pending->mutex);
    return {ErrorCode::ok, {}, event.with_payload(std::move(pending->payload)), published.failures};
  };
  const auto fail = [&](ErrorCode code, std::string message) -> RequestResult {
    if (!published.failures.empty()) message += "; " + published.message();
    return {code, std::move(message), {}, published.failures};
  };
  if (answered()) return take();
  if (published.matched == 0) {
    return {ErrorCode::no_responder, "no subscription matches the request " + quote(topic)};
  }
  std::vector<const Subscriber*> awaited(queued.subscribers.list.begin(),
                                         queued.subscribers.list.end());
  if (repliers == Repliers::by_name) {
    std::erase_if(awaited, [&](const Subscriber* one) { return !takes_by_name(*one, topic); });
  }
  // Deliveries of which it is not noted where they wait are waited for in any case.
  const std::size_t passed_over = queued.subscribers.list.size() - awaited.size();
  if (published.queued <= passed_over) {
    // Only handlers that have returned could have replied: their silence is their answer.
    return fail(ErrorCode::handler_failed,
                "no handler replied to the request " + quote(topic) + ", and all have returned");
  }
  // Where only this thread can run those who may reply, it runs them.
  std::vector<Executor*> here;
  bool elsewhere = false;
  for (const Subscriber* one : awaited) {
    Executor& where = one->extra->mailbox->executor();
    if (!where.pumped_by_this_thread()) {
      elsewhere = true;
    } else if (std::find(here.begin(), here.end(), &where) == here.end()) {
      here.push_back(&where);
    }
  }
  if (!elsewhere && !here.empty()) {
    const auto run_one = [&] {
      return run_due() != 0 || std::any_of(here.begin(), here.end(),
                                           [](Executor* where) { return where->run_one_here(); });
    };
    while (!answered()) {
      if (std::chrono::steady_clock::now() >= deadline || stopped()) break;
      if (!run_one()) {
        if (answered()) break;
        return fail(ErrorCode::would_block,
                    "the request " + quote(topic) +
                        " waits on the thread that pumps the executor, and nothing is left to run");
      }
    }
  } else {
    std::vector<delivery_detail::WaitFor> waits;
    waits.reserve(awaited.size());
    for (const Subscriber* one : awaited) {
      waits.push_back(delivery_detail::WaitFor::mailbox(*one->extra->mailbox, &event));
    }
    const delivery_detail::WaitEdge edge(std::move(waits), delivery_detail::Needs::any);
    if (!edge.entered()) {
      return fail(ErrorCode::would_block,
                  "the request " + quote(topic) +
                      " waits for a handler that waits for this one; it is queued, and its reply "
                      "will be discarded");
    }
    std::unique_lock lock(pending->mutex);
    pending->answered.wait_until(lock, deadline, [&] { return pending->done || pending->stopped; });
  }
  if (answered()) return take();
  if (stopped()) {
    return fail(ErrorCode::stopped,
                (stop.stop_requested() ? "who made it was stopped before the request "
                                       : "the bus ended before the request ") +
                    quote(topic) + " was replied to");
  }
  return fail(ErrorCode::timed_out, "no reply to the request " + quote(topic) + " within " +
                                        std::to_string(timeout.count() / 1'000'000) + "ms");
}

}  // namespace busway::detail
