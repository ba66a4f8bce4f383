#include "plugin/isolation/attendant.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <system_error>
#include <utility>

namespace busway::plugin_host_detail {

using platform_detail::ChildProcess;
using platform_detail::Descriptor;

namespace {

constexpr std::size_t kSidesMax = 256;

[[nodiscard]] Descriptor make_event() {
  Descriptor made(::eventfd(0, EFD_CLOEXEC));
  if (!made.valid()) throw std::system_error(errno, std::system_category(), "eventfd");
  return made;
}

/// The descriptor that came through the door. None: what came was something else; ended: nothing
/// more will.
[[nodiscard]] Descriptor receive_descriptor(int door, bool& ended) {
  char byte = 0;
  iovec text{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(door, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  ended = got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN);
  if (got <= 0) return Descriptor();
  // There may be more of them than one, and each is ours once it is here.
  Descriptor last;
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
    if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= one->cmsg_len; at += sizeof(int)) {
      int descriptor = -1;
      std::memcpy(&descriptor, reinterpret_cast<const char*>(one) + at, sizeof descriptor);
      last = Descriptor(descriptor);
    }
  }
  return last;
}

}  // namespace

Attendant::Attendant(ChildProcess process, Descriptor door, std::size_t frame_bytes_max,
                     std::function<void()> ended)
    : process_(std::move(process)),
      door_(std::move(door)),
      leave_(make_event()),
      frame_bytes_max_(frame_bytes_max),
      ended_(std::move(ended)),
      thread_([this] { attend(); }) {}

Attendant::~Attendant() {
  process_.kill();
  const std::uint64_t one = 1;
  (void)!::write(leave_.get(), &one, sizeof one);
  thread_.join();
  // Its own from here on: the thread that adds to them has ended.
  for (const auto& side : sides_) side->channel.shut();
  for (const auto& side : sides_) side->thread.join();
}

bool Attendant::idle() const {
  const std::lock_guard lock(mutex_);
  return std::all_of(sides_.begin(), sides_.end(),
                     [](const auto& side) { return side->over.load(std::memory_order_acquire); });
}

platform_detail::ProcessEnd Attendant::wait(std::chrono::steady_clock::time_point deadline) {
  std::optional<platform_detail::ProcessEnd> end = process_.wait(deadline);
  if (!end) {
    process_.kill();
    end = process_.wait(std::chrono::steady_clock::time_point::max());
  }
  told_.wait(false, std::memory_order_acquire);  // what is told of this one is not of the next
  return *end;
}

void Attendant::attend() {
  struct Told {
    std::atomic<bool>& told;
    ~Told() {
      told.store(true, std::memory_order_release);
      told.notify_all();
    }
  };
  const Told told{told_};
  bool open = true;
  for (;;) {
    std::array<pollfd, 3> ready{pollfd{process_.descriptor(), POLLIN, 0},
                                pollfd{leave_.get(), POLLIN, 0},
                                pollfd{open ? door_.get() : -1, POLLIN, 0}};
    if (::poll(ready.data(), ready.size(), -1) < 0) continue;
    if (ready[1].revents != 0) return;
    if (ready[0].revents != 0) {
      process_.kill();  // what it has started, at once
      break;
    }
    if (ready[2].revents != 0) open = let_in();
  }
  ended_();
}

bool Attendant::let_in() {
  bool ended = false;
  Descriptor socket = receive_descriptor(door_.get(), ended);
  if (!socket.valid()) return !ended;
  const std::lock_guard lock(mutex_);
  for (const auto& side : sides_) {
    if (side->over.load(std::memory_order_acquire)) side->thread.join();
  }
  std::erase_if(sides_, [](const auto& side) { return !side->thread.joinable(); });
  // It must be what it is said to be: reading from anything else could wait for ever.
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM ||
      requests_.load(std::memory_order_acquire) == nullptr || sides_.size() >= kSidesMax) {
    return true;
  }
  auto side = std::make_unique<Side>(std::move(socket), frame_bytes_max_);
  try {
    side->thread = std::thread([this, &mine = *side] { serve(mine); });
    sides_.push_back(std::move(side));
  } catch (const std::system_error&) {
    // No thread can be had: the end of its socket tells the plugin's.
  }
  return true;
}

void Attendant::serve(Side& side) const noexcept {
  const HostRequests::Deliveries none;
  std::string frame;
  try {
    for (std::string_view view; side.channel.receive(view) == Channel::Got::frame;) {
      frame = view;
      requests_.load(std::memory_order_acquire)
          ->serve(frame, epoch_.load(std::memory_order_relaxed), none, side.channel.out());
      if (!side.channel.out().empty() && !side.channel.flush()) break;
    }
  } catch (const std::exception&) {
    // A frame that makes no sense: this is the last one.
  }
  side.channel.shut();
  side.over.store(true, std::memory_order_release);
}

}  // namespace busway::plugin_host_detail
