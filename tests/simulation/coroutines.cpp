// Coroutine handlers of a simulation, and what they wait for.
#include "coroutines.hpp"

#include <algorithm>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <utility>

#include "busway/coroutine.hpp"
#include "world.hpp"

namespace busway::simulation {
namespace {

namespace asio = boost::asio;
using asio::awaitable;

template <class Handler>
struct WaiterOf final : Waiter {
  explicit WaiterOf(Handler from) : handler(std::move(from)) {}
  void go(Waited how) override {
    asio::get_associated_cancellation_slot(handler).clear();
    const auto executor = asio::get_associated_executor(handler);
    asio::post(executor, [mine = std::move(handler), how]() mutable { std::move(mine)(how); });
  }
  Handler handler;
};

/// Until the world lets it go, or its wait is cancelled.
awaitable<Waited> wait(Waiters& waiters, Call& call, bool for_ever) {
  return asio::async_initiate<const asio::use_awaitable_t<>, void(Waited)>(
      [&waiters, &call, for_ever](auto handler) {
        const asio::cancellation_slot slot = asio::get_associated_cancellation_slot(handler);
        auto waiter = std::make_unique<WaiterOf<decltype(handler)>>(std::move(handler));
        const std::uint64_t number = waiters.next_number();
        waiter->call = &call;
        waiter->number = number;
        waiter->for_ever = for_ever;
        waiters.add(std::move(waiter));
        auto* const all = &waiters;
        if (!slot.is_connected()) return;
        asio::cancellation_slot(slot).assign([all, number](asio::cancellation_type) {
          if (const std::unique_ptr<Waiter> mine = all->take(number)) mine->go(Waited::cancelled);
        });
      },
      asio::use_awaitable);
}

}  // namespace

std::unique_ptr<Waiter> Waiters::take(std::uint64_t number) {
  const auto at = std::find_if(list_.begin(), list_.end(),
                               [&](const auto& one) { return one->number == number; });
  if (at == list_.end()) return nullptr;
  std::unique_ptr<Waiter> taken = std::move(*at);
  list_.erase(at);
  return taken;
}

std::vector<const Waiter*> Waiters::all() const {
  std::vector<const Waiter*> all;
  for (const auto& one : list_) all.push_back(one.get());
  return all;
}

void Waiters::clear() {
  while (!list_.empty()) (void)take(list_.front()->number);
}

/// Tells the model of a coroutine that ends because it is destroyed.
struct World::Steps {
  World& world;
  Call* call;
  bool ended = false;

  Steps(World& of, Call& mine) : world(of), call(&mine) {}
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;
  ~Steps() {
    if (ended || world.over_) return;
    world.model_.resume(*call);
    world.say(call->delivery->sub->text() + " is destroyed");
    world.model_.end_call(*call, Ending::throws, {});
  }

  static awaitable<Outcome> run(World& world, Sub& sub, const Event& event, Context& context) {
    if (sub.spec.deaf) {
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    }
    Call* const call = world.enter(sub, event, context);
    if (call == nullptr) co_return Outcome::done();
    Steps mine(world, *call);
    world.work(*call);
    for (std::size_t left = world.random_.below(4); left > 0; --left) {
      const bool for_ever = world.random_.one_in(6);
      world.say(sub.text() + (for_ever ? " waits for ever" : " waits"));
      world.model_.suspend(*call);
      Waited waited = Waited::cancelled;
      try {
        waited = co_await wait(world.waiters_, *call, for_ever);
      } catch (const boost::system::system_error&) {
        // It was cancelled between two waits.
      }
      if (world.over_) co_return Outcome::done();
      world.model_.resume(*call);
      if (waited == Waited::cancelled) {
        world.say(sub.text() + " is cancelled");
        if (!call->given_up) world.model_.fail("only a late coroutine is cancelled", sub.text());
        break;
      }
      world.say(sub.text() + " goes on with event " +
                std::to_string(call->delivery->event->serial));
      world.work(*call);
    }
    mine.ended = true;
    co_return world.leave(*call);
  }
};

Subscription World::subscribe_coroutine(Sub& sub, const std::vector<Pattern>& patterns,
                                        const SubscriptionOptions& options) {
  return bus_->subscribe(
      patterns,
      [this, &sub](const Event& event, Context& context) {
        return Steps::run(*this, sub, event, context);
      },
      options);
}

bool World::let_go() {
  std::vector<const Waiter*> free = waiters_.all();
  std::erase_if(free, [](const Waiter* one) { return one->for_ever; });
  if (free.empty()) return false;
  const Waiter& one = *random_.pick(free);
  say("let " + one.call->delivery->sub->text() + " go on with event " +
      std::to_string(one.call->delivery->event->serial));
  waiters_.take(one.number)->go(Waited::well);
  return true;
}

void World::let_all_go() {
  while (let_go()) {
  }
}

void World::forget_waiter() {
  const std::vector<const Waiter*> all = waiters_.all();
  if (all.empty()) return;
  const Waiter& one = *random_.pick(all);
  say("what " + one.call->delivery->sub->text() + " waits for is gone");
  (void)waiters_.take(one.number);
}

}  // namespace busway::simulation
