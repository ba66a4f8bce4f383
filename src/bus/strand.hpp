// bus/strand.hpp -- runs the synchronous part of publish_async, one event after the other.
// Layer: bus
//
// Model      A mailbox whose sink runs routes instead of one handler.
// Threads    As Mailbox.
// Ownership  Belongs to the BusCore, on which each pump holds a reference.
// Errors     As Mailbox.
// Cost       As Mailbox.
#pragma once

#include <memory>

#include "bus/bus_core.hpp"
#include "delivery/mailbox.hpp"

namespace busway::detail {

class Strand final : public delivery_detail::MailboxSink {
 public:
  explicit Strand(BusCore& core);

  [[nodiscard]] delivery_detail::Mailbox& mailbox() noexcept { return mailbox_; }

  delivery_detail::Then deliver(delivery_detail::Delivery& delivery,
                                delivery_detail::CallSlot& call) noexcept override {
    call.begin(SteadyTime::max());  // its handlers have no common deadline
    core_.run_strand(delivery);
    (void)call.finish();  // nobody gives it up
    return delivery_detail::Then::next;
  }
  // Its handlers have no common deadline.
  delivery_detail::Then timed_out(delivery_detail::Delivery&, std::thread::id,
                                  const delivery_detail::Runnable&, SteadyTime) noexcept override {
    return delivery_detail::Then::next;
  }
  void came_back(std::thread::id) noexcept override {}
  delivery_detail::Timekeeper& timekeeper() override { return core_.timekeeper(); }
  [[nodiscard]] SteadyTime now() const noexcept override { return core_.call_time(); }
  void delivered_some(std::uint32_t) noexcept override {}
  void dropped(delivery_detail::Delivery& delivery,
               delivery_detail::DropReason reason) noexcept override;
  void retain() noexcept override { core_.retain(); }
  void release() noexcept override { core_.release(); }

 private:
  BusCore& core_;
  delivery_detail::Mailbox mailbox_;
};

}  // namespace busway::detail
