// busway/detail/subscriber.hpp -- one subscription's registration and its callable, in one
// allocation.
// Layer: bus
//
// Model      A route is an array of Subscriber*. What a publish calls is `invoke`; the state of the
//            subscription is in that pointer: the handler itself, or a function that filters,
//            queues, holds back or does nothing. So the hot loop tests nothing. `call` is always
//            the handler.
// Threads    invoke is atomic and read without a lock; everything else belongs to the bus's lock or
//            is constant.
// Ownership  Counted under the bus's lock: by the handle, by the registration and by each route
//            that lists it. The callable is destroyed when the subscription has ended and no call
//            runs; the Subscriber lives on until unlisted.
// Errors     None.
// Cost       About 200 bytes and the callable.
// Example    tests/docs/guarantees_test.cpp
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "busway/context.hpp"
#include "busway/detail/text.hpp"
#include "busway/event.hpp"
#include "busway/outcome.hpp"

namespace busway::detail {

struct Subscriber;
struct SubscriberExtra;
struct TopicEntry;
class LatencyHistogram;

using Invoke = void (*)(Subscriber*, const Event&, Context&);

/// suspended: the handler is a coroutine, and `call` begins it.
enum class Returns : std::uint8_t { when_done, suspended };

struct Subscriber {
  Subscriber(Invoke handler, void (*destroy)(Subscriber*) noexcept,
             void (*free)(Subscriber*) noexcept, Returns when = Returns::when_done) noexcept
      : invoke(handler),
        call(handler),
        destroy_callable(destroy),
        free_memory(free),
        returns(when) {}
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  std::atomic<Invoke> invoke;
  const Invoke call;
  void (*const destroy_callable)(Subscriber*) noexcept;
  void (*const free_memory)(Subscriber*) noexcept;

  BusCore* core = nullptr;
  std::uint64_t id = 0;
  std::atomic<std::uint32_t> references{1};
  std::int32_t priority = 0;

  // Where an exact subscription stands: its topic, its neighbours there, its place in a route.
  const TextRep* topic = nullptr;  // owned; null: the patterns are in extra
  TopicEntry* entry = nullptr;     // null once it has ended
  Subscriber* previous = nullptr;
  Subscriber* next = nullptr;
  std::uint32_t route_index = 0;
  std::uint32_t route_serial = 0;

  // Everything a plain subscription does not have: patterns of its own, owner, name, filter,
  // mailbox ...
  SubscriberExtra* extra = nullptr;

  // Deliveries counted by routes that were not handler calls that went well.
  std::atomic<std::uint64_t> base_matched{0};
  std::atomic<std::uint32_t> not_matched{0};
  std::atomic<std::uint32_t> not_delivered{0};
  // Deliveries through publish_async, which no route counts.
  std::atomic<std::uint64_t> async_matched{0};
  std::atomic<LatencyHistogram*> plain_latency{nullptr};  // when there is no extra
  std::atomic<std::uint8_t> state{0};
  std::atomic<bool> callable_gone{false};
  const Returns returns;
};

/// Reports an Outcome other than done to the dispatch that made the call.
void settle(Context& context, Outcome outcome);

template <class F>
struct FirstArgument {
  using type = void;
};
template <class R, class C, class A, class... Rest>
struct FirstArgument<R (C::*)(A, Rest...)> {
  using type = std::remove_cvref_t<A>;
};
template <class R, class C, class A, class... Rest>
struct FirstArgument<R (C::*)(A, Rest...) const> {
  using type = std::remove_cvref_t<A>;
};
template <class R, class C, class A, class... Rest>
struct FirstArgument<R (C::*)(A, Rest...) noexcept> {
  using type = std::remove_cvref_t<A>;
};
template <class R, class C, class A, class... Rest>
struct FirstArgument<R (C::*)(A, Rest...) const noexcept> {
  using type = std::remove_cvref_t<A>;
};
template <class R, class A, class... Rest>
struct FirstArgument<R (*)(A, Rest...)> {
  using type = std::remove_cvref_t<A>;
};
template <class R, class A, class... Rest>
struct FirstArgument<R (*)(A, Rest...) noexcept> {
  using type = std::remove_cvref_t<A>;
};

/// The type that a handler's first parameter names, or Event where it cannot be told (a generic
/// lambda).
template <class F>
consteval auto handled_type() {
  if constexpr (requires { &F::operator(); }) {
    using A = typename FirstArgument<decltype(&F::operator())>::type;
    return std::type_identity<std::conditional_t<std::is_void_v<A>, Event, A>>{};
  } else if constexpr (std::is_pointer_v<F>) {
    using A = typename FirstArgument<F>::type;
    return std::type_identity<std::conditional_t<std::is_void_v<A>, Event, A>>{};
  } else {
    return std::type_identity<Event>{};
  }
}
template <class F>
using HandledType = typename decltype(handled_type<F>())::type;

/// What a handler may return beside void and Outcome: busway/coroutine.hpp specialises it, with
/// static void begin(Context&, Result).
template <class Result>
struct CoroutineResult;

template <class Result>
concept IsCoroutine = requires {
  sizeof(CoroutineResult<Result>);
};

template <class F, class Argument>
consteval Returns returns() {
  if constexpr (std::is_invocable_v<F&, const Argument&, Context&>) {
    using Result = std::invoke_result_t<F&, const Argument&, Context&>;
    return IsCoroutine<Result> ? Returns::suspended : Returns::when_done;
  } else if constexpr (std::is_invocable_v<F&, const Argument&>) {
    using Result = std::invoke_result_t<F&, const Argument&>;
    return IsCoroutine<Result> ? Returns::suspended : Returns::when_done;
  } else {
    return Returns::when_done;
  }
}

template <class F, class Argument>
inline void call_handler(F& handler, const Argument& argument, Context& context) {
  if constexpr (std::is_invocable_v<F&, const Argument&, Context&>) {
    using Result = std::invoke_result_t<F&, const Argument&, Context&>;
    if constexpr (std::is_void_v<Result>) {
      handler(argument, context);
    } else if constexpr (IsCoroutine<Result>) {
      CoroutineResult<Result>::begin(context, handler(argument, context));
    } else {
      static_assert(std::same_as<Result, Outcome>,
                    "a busway handler returns void or busway::Outcome, or, where "
                    "busway/coroutine.hpp is included, a boost::asio::awaitable of them");
      settle(context, handler(argument, context));
    }
  } else {
    static_assert(
        std::is_invocable_v<F&, const Argument&>,
        "a busway handler takes const Event&, const T& or const Json&, and maybe Context&");
    using Result = std::invoke_result_t<F&, const Argument&>;
    if constexpr (std::is_void_v<Result>) {
      handler(argument);
    } else if constexpr (IsCoroutine<Result>) {
      CoroutineResult<Result>::begin(context, handler(argument));
    } else {
      static_assert(std::same_as<Result, Outcome>,
                    "a busway handler returns void or busway::Outcome, or, where "
                    "busway/coroutine.hpp is included, a boost::asio::awaitable of them");
      settle(context, handler(argument));
    }
  }
}

/// What busway/middleware.hpp makes: it reads the payload itself, when its handler's turn has come.
template <class F>
concept WrapsHandler = requires {
  typename F::WrappedHandler;
};

/// A Subscriber with its callable behind it. T is what the handler takes: Event, Json or a payload
/// type.
template <class F, class T>
struct SubscriberOf final : Subscriber {
  template <class G>
  explicit SubscriberOf(G&& handler) : Subscriber(&run, &destroy, &free, kReturns) {
    ::new (static_cast<void*>(storage)) F(std::forward<G>(handler));
  }

  static void run(Subscriber* self, const Event& event, Context& context) {
    F& handler = *reinterpret_cast<F*>(static_cast<SubscriberOf*>(self)->storage);
    if constexpr (WrapsHandler<F>) {
      settle(context, handler.template run<T>(event, context));
    } else if constexpr (std::same_as<T, Event>) {
      call_handler<F, Event>(handler, event, context);
    } else if constexpr (std::same_as<T, Json>) {
      call_handler<F, Json>(handler, event.json(), context);
    } else if (const T* same = event.template if_same<T>()) [[likely]] {
      call_handler<F, T>(handler, *same, context);
    } else {
      run_decoded(self, event, context);
    }
  }
  /// Apart, so that the usual call saves no registers for it.
  [[gnu::noinline]] static void run_decoded(Subscriber* self, const Event& event,
                                            Context& context) {
    F& handler = *reinterpret_cast<F*>(static_cast<SubscriberOf*>(self)->storage);
    call_handler<F, T>(handler, event.template as<T>(), context);
  }
  static void destroy(Subscriber* self) noexcept {
    reinterpret_cast<F*>(static_cast<SubscriberOf*>(self)->storage)->~F();
  }
  static void free(Subscriber* self) noexcept { delete static_cast<SubscriberOf*>(self); }

  static constexpr Returns kReturns = [] {
    if constexpr (WrapsHandler<F>)
      return Returns::when_done;
    else
      return detail::returns<F, T>();
  }();
  alignas(F) std::byte storage[sizeof(F)];
};

/// Throws Error(invalid_argument).
[[noreturn]] void refuse_empty_handler();

/// A function pointer, a std::function and the like: it may hold nothing to call.
template <class F>
concept MayBeEmpty = std::is_constructible_v<F, std::nullptr_t> && requires(const F& handler) {
  static_cast<bool>(handler);
};

/// What a handler may take as its first argument, as far as its kind goes.
template <class T>
concept HandlerArgument = std::is_class_v<T>;

template <class T, class F>
[[nodiscard]] Subscriber* make_subscriber(F&& handler) {
  // First of all, or an int is reported as a payload type that is none, deep inside.
  static_assert(HandlerArgument<T>,
                "a busway handler takes const Event&, const T& of a struct T or const Json&, and "
                "maybe Context&");
  using Stored = std::decay_t<F>;
  if constexpr (MayBeEmpty<Stored>) {
    if (!static_cast<bool>(static_cast<const Stored&>(handler))) refuse_empty_handler();
  }
  if constexpr (HandlerArgument<T>) {
    return new SubscriberOf<Stored, T>(std::forward<F>(handler));
  } else {
    return nullptr;  // refused above; nothing more is to be said of it
  }
}

}  // namespace busway::detail
