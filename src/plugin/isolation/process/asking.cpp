// What a plugin asks of its host, from its process: on the main thread, or on one of its own.
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "plugin/isolation/process/plugin_process.hpp"

namespace busway::plugin_host_detail {

using platform_detail::Descriptor;
using wire::Kind;
using wire::Reader;

namespace {

/// A socket to a thread of the host's, for the thread that has it.
std::unique_ptr<Channel> knock() {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return nullptr;
  auto mine = std::make_unique<Channel>(Descriptor(ends[0]), wire::kFrameBytesMax);
  const Descriptor theirs(ends[1]);
  char byte = 0;
  iovec text{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  const int handed = theirs.get();
  std::memcpy(CMSG_DATA(rights), &handed, sizeof handed);
  while (::sendmsg(wire::kDoor, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return nullptr;
  }
  return mine;
}

Channel* side_channel() {
  thread_local std::unique_ptr<Channel> mine;
  if (mine == nullptr) mine = knock();
  return mine.get();
}

Answer read_answer(Reader& in) {
  Answer answer;
  answer.status = in.get<busway_status>();
  last_words() = in.text();
  answer.value = in.text();
  return answer;
}

Answer gone() {
  last_words() = "the host is gone, or takes no more threads of this plugin";
  return {};
}

}  // namespace

std::string& last_words() noexcept {
  thread_local std::string text;
  return text;
}

Answer PluginProcess::ask(const std::string& frame) {
  if (!on_main_thread()) {
    Channel* const side = side_channel();
    if (side == nullptr) return gone();
    side->out() += frame;
    frames_.fetch_add(1, std::memory_order_release);
    std::string_view came;
    if (!side->flush() || side->receive(came) != Channel::Got::frame) return gone();
    (void)frames_.load(std::memory_order_acquire);
    Reader in(came);
    return read_answer(in);
  }
  put_handled();
  channel_.out() += frame;
  flush();
  for (;;) {
    std::string_view came;
    if (channel_.receive(came) != Channel::Got::frame) leave();
    (void)frames_.load(std::memory_order_acquire);
    Reader in(came);
    if (in.kind() == Kind::answer) return read_answer(in);
    if (in.kind() == Kind::call) {
      handle_call(std::string(came));
    } else {
      later_.emplace_back(came);
    }
  }
}

void PluginProcess::tell(const std::string& frame) {
  Channel* const channel = on_main_thread() ? &channel_ : side_channel();
  if (channel == nullptr) return;
  channel->out() += frame;
  frames_.fetch_add(1, std::memory_order_release);
  if (!channel->flush() && on_main_thread()) leave();
}

Callback* PluginProcess::delivery(std::uint64_t number) const noexcept {
  Callback* one = callback();
  while (one != nullptr && one->number != number) one = one->outer;
  return one;
}

}  // namespace busway::plugin_host_detail
