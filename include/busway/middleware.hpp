// busway/middleware.hpp -- policy around handlers: written once, put around any.
// Layer: bus
//
// Model      A middleware is a callable Outcome(const Event&, Context&, Next): it does something,
//            calls next() or does not, and says how the call went. with(a, b, handler) is a handler
//            for subscribe(): a is called first and b's next() calls the handler. chain(a, b) is a
//            middleware made of two. The handler may be any but a coroutine; its payload is read
//            when its turn comes, so a middleware sees also the event that cannot be read. A shared
//            EventHandler is called from a lambda.
// Threads    with() and chain() are [any-thread]. What they make is called as the subscription's
//            handler is, on several threads at once where that is: so are its middlewares.
// Ownership  The subscription owns the wrapped handler, with its middlewares. A Next belongs to the
//            call it was given to.
// Errors     What is thrown passes through every middleware to the bus. with() and chain() throw
//            Error(invalid_argument) for a std::function or pointer that holds nothing.
// Cost       One call through a pointer a middleware, nothing allocated. Handlers without any cost
//            what they did.
// Example    examples/09_middleware
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "busway/context.hpp"
#include "busway/detail/subscriber.hpp"
#include "busway/event.hpp"
#include "busway/outcome.hpp"

namespace busway {

/// What stands behind a middleware: the next one, at last the handler. May be called more than
/// once, on the thread of the middleware and before it returns.
class Next {
 public:
  /// Refers to rest.
  template <class Rest>
  requires(!std::same_as<std::remove_cv_t<Rest>, Next> &&
           std::is_invocable_r_v<Outcome, Rest&>) explicit Next(Rest& rest) noexcept
      : rest_(const_cast<void*>(static_cast<const void*>(std::addressof(rest)))),
        call_([](void* of) -> Outcome { return (*static_cast<Rest*>(of))(); }) {}

  Outcome operator()() const { return call_(rest_); }

 private:
  void* rest_;
  Outcome (*call_)(void* rest);
};

template <class M>
concept Middleware = std::is_invocable_r_v<Outcome, M&, const Event&, Context&, const Next&>;

namespace detail {

/// Throws Error(invalid_argument).
[[noreturn]] void refuse_empty_middleware();

template <class M>
void require_callable(const M& middleware) {
  if constexpr (MayBeEmpty<M>) {
    if (!static_cast<bool>(middleware)) refuse_empty_middleware();
  }
}

template <class F, class Argument>
Outcome outcome_of(F& handler, const Argument& argument, Context& context) {
  const auto call = [&]() -> decltype(auto) {
    if constexpr (std::is_invocable_v<F&, const Argument&, Context&>) {
      return handler(argument, context);
    } else {
      static_assert(
          std::is_invocable_v<F&, const Argument&>,
          "a busway handler takes const Event&, const T& or const Json&, and maybe Context&");
      return handler(argument);
    }
  };
  using Result = decltype(call());
  if constexpr (std::is_void_v<Result>) {
    call();
    return Outcome::done();
  } else {
    static_assert(
        std::same_as<Result, Outcome>,
        "a busway handler behind middlewares returns void or busway::Outcome; a coroutine "
        "cannot stand behind them");
    return call();
  }
}

/// T: what a handler takes that does not name its type.
template <class T, class F>
Outcome call_with_event(F& handler, const Event& event, Context& context) {
  using Named = HandledType<F>;
  using Taken = std::conditional_t<std::same_as<Named, Event>, T, Named>;
  static_assert(HandlerArgument<Taken>,
                "a busway handler takes const Event&, const T& of a struct T or const Json&, and "
                "maybe Context&");
  if constexpr (WrapsHandler<F>) {
    return handler.template run<T>(event, context);
  } else if constexpr (std::same_as<Taken, Event>) {
    return outcome_of(handler, event, context);
  } else if constexpr (std::same_as<Taken, Json>) {
    return outcome_of(handler, event.json(), context);
  } else {
    const Taken* const same = event.template if_same<Taken>();
    return outcome_of(handler, same != nullptr ? *same : event.template as<Taken>(), context);
  }
}

}  // namespace detail

/// Several middlewares in a row, as one.
template <Middleware... Ms>
class Chain {
 public:
  explicit Chain(Ms... parts) : parts_(std::move(parts)...) {
    std::apply([](const Ms&... each) { (detail::require_callable(each), ...); }, parts_);
  }

  Outcome operator()(const Event& event, Context& context, const Next& last) {
    return call<0>(event, context, last);
  }

 private:
  template <std::size_t I>
  Outcome call(const Event& event, Context& context, const Next& last) {
    if constexpr (I + 1 == sizeof...(Ms)) {
      return std::invoke(std::get<I>(parts_), event, context, last);
    } else {
      auto rest = [&] { return call<I + 1>(event, context, last); };
      return std::invoke(std::get<I>(parts_), event, context, Next(rest));
    }
  }

  std::tuple<Ms...> parts_;
};

/// A handler behind middlewares: what with() makes and subscribe() takes.
template <Middleware Policy, class Handler>
class Wrapped {
 public:
  using WrappedHandler = Handler;

  Wrapped(Policy policy, Handler handler)
      : policy_(std::move(policy)), handler_(std::move(handler)) {
    if constexpr (detail::MayBeEmpty<Handler>) {
      if (!static_cast<bool>(std::as_const(handler_))) detail::refuse_empty_handler();
    }
  }

  /// T is what subscribe<T>() said, else Event.
  template <class T>
  Outcome run(const Event& event, Context& context) {
    auto rest = [&] { return detail::call_with_event<T>(handler_, event, context); };
    return std::invoke(policy_, event, context, Next(rest));
  }

  /// So that it is a handler like any other.
  template <class T>
  Outcome operator()(const T& /*in the event*/, Context& context) {
    return run<T>(context.event(), context);
  }

 private:
  Policy policy_;
  Handler handler_;
};

/// The first is called first.
template <class... Ms>
requires(sizeof...(Ms) > 0) [[nodiscard]] auto chain(Ms&&... middlewares) {
  static_assert((Middleware<std::decay_t<Ms>> && ...),
                "a busway middleware is called with (const Event&, Context&, const Next&) and "
                "returns busway::Outcome");
  return Chain<std::decay_t<Ms>...>(std::forward<Ms>(middlewares)...);
}

/// with(middleware..., handler): the first is called first.
template <class... Args>
requires(sizeof...(Args) > 1) [[nodiscard]] auto with(Args&&... middlewares_then_handler) {
  auto all = std::forward_as_tuple(std::forward<Args>(middlewares_then_handler)...);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    constexpr std::size_t kLast = sizeof...(I);
    using Handler = std::decay_t<std::tuple_element_t<kLast, decltype(all)>>;
    auto policy = chain(std::get<I>(std::move(all))...);
    return Wrapped<decltype(policy), Handler>(std::move(policy),
                                              Handler(std::get<kLast>(std::move(all))));
  }
  (std::make_index_sequence<sizeof...(Args) - 1>{});
}

}  // namespace busway
