#include <Poco/NObserver.h>
#include <Poco/Notification.h>
#include <Poco/NotificationCenter.h>

#include <deque>

#include "peers/callers.hpp"
#include "peers/peers.hpp"

namespace busway::bench {
namespace {

struct OrderNotification : Poco::Notification {
  explicit OrderNotification(const OrderPlaced& event) : placed(event) {}
  OrderPlaced placed;
};

struct Listener {
  // Not static: an observer is an object and its member function.
  void on_order(const Poco::AutoPtr<OrderNotification>& notification) {
    handle(notification->placed);
  }
};

class PocoCenter {
 public:
  explicit PocoCenter(std::size_t handlers) : listeners_(handlers) {
    for (Listener& listener : listeners_) {
      center_.addObserver(
          Poco::NObserver<Listener, OrderNotification>(listener, &Listener::on_order));
    }
  }
  void publish(const OrderPlaced& event) {
    center_.postNotification(new OrderNotification(event));  // the center releases it
  }

 private:
  std::deque<Listener> listeners_;
  Poco::NotificationCenter center_;
};

}  // namespace

void add_poco() {
  add_caller<PocoCenter>("call1", "poco", 1);
  add_caller<PocoCenter>("call64", "poco", 64);
  add_threads<PocoCenter>("poco");
}

}  // namespace busway::bench
