#include "host/control_server.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "busway/error.hpp"
#include "platform/local_socket.hpp"

namespace busway::host_detail {
namespace {

using platform_detail::Descriptor;

/// What a client may leave unread before a request that goes on is told to end.
constexpr std::size_t kUnreadBytesMax = std::size_t{1} << 20U;
constexpr std::chrono::milliseconds kAfterFailedAccept(100);

Descriptor make_event() {
  Descriptor fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.valid()) {
    throw Error(ErrorCode::io_error,
                "the control socket cannot be served: " + std::system_category().message(errno));
  }
  return fd;
}

void signal_event(const Descriptor& event) noexcept {
  const std::uint64_t one = 1;
  while (::write(event.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void clear_event(const Descriptor& event) noexcept {
  std::uint64_t count = 0;
  while (::read(event.get(), &count, sizeof count) < 0 && errno == EINTR) {
  }
}

bool may_ask(int connection) noexcept {
  const uid_t user = platform_detail::peer_of(connection).user;
  return user == ::geteuid() || user == 0;
}

/// To one that will not be served: what fits, at once.
void tell(int connection, ErrorCode code, std::string_view message) {
  const std::string line = error_line(code, message) + '\n';
  (void)::send(connection, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

/// What is to be written to a client.
class ControlServer::Reply final : public ControlReply {
 public:
  Reply(int connection, const Descriptor& woken) : connection_(connection), woken_(woken) {}

  bool send(std::string_view line) override {
    {
      const std::lock_guard lock(mutex_);
      if (gone_ || out_.size() - written_ > kUnreadBytesMax) return false;
      out_.append(line).push_back('\n');
    }
    signal_event(woken_);
    return true;
  }

  /// What the client takes now; false: it never takes more.
  bool write() {
    const std::lock_guard lock(mutex_);
    while (!gone_ && written_ < out_.size()) {
      const ssize_t sent = ::send(connection_, out_.data() + written_, out_.size() - written_,
                                  MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) {
        written_ += static_cast<std::size_t>(sent);
      } else if (errno == EAGAIN) {
        return true;
      } else if (errno != EINTR) {
        gone_ = true;
      }
    }
    out_.clear();
    written_ = 0;
    return !gone_;
  }

  [[nodiscard]] bool has_more() const {
    const std::lock_guard lock(mutex_);
    return !gone_ && written_ < out_.size();
  }
  void set_gone() {
    const std::lock_guard lock(mutex_);
    gone_ = true;
  }

  // The request has returned.
  std::atomic<bool> done{false};

 private:
  const int connection_;
  const Descriptor& woken_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::string out_;
  std::size_t written_ = 0;
  bool gone_ = false;
};

struct ControlServer::Client {
  Descriptor connection;
  std::shared_ptr<Reply> reply;
  Time since;          // when it was last up to the client to do something
  std::string in;      // not more than a line and what one read brings
  bool skips = false;  // what is left of a line that was too long
  bool ended = false;  // it sends no more
  bool gone = false;   // nor does it read
  std::thread request{};

  [[nodiscard]] bool is_asking() const noexcept { return request.joinable(); }
};

ControlServer::ControlServer(ControlSocket socket, Handler handler, Options options)
    : socket_(std::move(socket)),
      handler_(std::move(handler)),
      options_(options),
      woken_(make_event()),
      end_(make_event()) {
  try {
    thread_ = std::thread([this] { serve(); });
  } catch (const std::system_error& error) {
    throw Error(ErrorCode::io_error,
                std::string("the control socket cannot be served: ") + error.what());
  }
}

ControlServer::~ControlServer() {
  signal_event(end_);
  thread_.join();
}

// -- The thread -----------------------------------------------------------------------------------

void ControlServer::serve() {
  std::vector<pollfd> all;
  for (;;) {
    Time now = std::chrono::steady_clock::now();
    all.assign({pollfd{end_.get(), POLLIN, 0}, pollfd{woken_.get(), POLLIN, 0},
                pollfd{now < accept_again_ ? -1 : socket_.descriptor(), POLLIN, 0}});
    for (const Client& client : clients_) {
      const bool reads = !client.ended && !client.is_asking() && !client.reply->has_more();
      const int events = (reads ? POLLIN : 0) | (client.reply->has_more() ? POLLOUT : 0);
      // One that is gone would be reported for as long as its request runs.
      all.push_back({client.gone ? -1 : client.connection.get(), static_cast<short>(events), 0});
    }
    if (::poll(all.data(), all.size(), wait_ms(now)) < 0) continue;  // EINTR
    if (all[0].revents != 0) break;
    clear_event(woken_);
    now = std::chrono::steady_clock::now();
    std::size_t at = 3;
    for (Client& client : clients_) look_at(client, all[at++].revents, now);
    clients_.remove_if([&](const Client& client) { return is_over(client, now); });
    if (all[2].revents != 0) accept_all(now);
  }
  end_all();
}

void ControlServer::accept_all(Time now) {
  for (;;) {
    Descriptor connection = platform_detail::accept_locally(socket_.descriptor());
    if (!connection.valid()) {
      // Out of descriptors or memory: whoever waits would wake the thread again at once.
      if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        accept_again_ = now + kAfterFailedAccept;
      return;
    }
    if (!may_ask(connection.get())) {
      tell(connection.get(), ErrorCode::denied, "only the user of the host, and root, may ask it");
    } else if (clients_.size() >= options_.clients_max) {
      tell(connection.get(), ErrorCode::too_many,
           std::to_string(clients_.size()) +
               " clients are connected, and no more may be; try again when one has gone");
    } else {
      auto reply = std::make_shared<Reply>(connection.get(), woken_);
      clients_.push_back({std::move(connection), std::move(reply), now, {}});
    }
  }
}

void ControlServer::look_at(Client& client, short ready, Time now) {
  if ((ready & POLLIN) != 0) take_in(client);
  if ((ready & (POLLHUP | POLLERR | POLLNVAL)) != 0) client.gone = true;
  if (client.is_asking() && client.reply->done.exchange(false)) {
    client.request.join();
    client.since = now;
  }
  if (!client.gone && client.reply->has_more()) {
    client.gone = !client.reply->write();
    if (!client.reply->has_more()) client.since = now;
  }
  if (client.gone) {
    client.reply->set_gone();
  } else if (!client.is_asking() && !client.reply->has_more()) {
    begin_next(client, now);
  }
}

void ControlServer::take_in(Client& client) const {
  std::array<char, 16'384> buffer;
  const ssize_t got = ::recv(client.connection.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0) {
    client.gone = errno != EAGAIN && errno != EINTR;
    return;
  }
  if (got == 0) client.ended = true;
  client.in.append(buffer.data(), static_cast<std::size_t>(got));
}

/// The next line, if it is there, and what is wrong with one that is not.
void ControlServer::begin_next(Client& client, Time now) {
  const std::size_t end = client.in.find('\n');
  const bool whole = end != std::string::npos;
  const std::size_t size = whole ? end : client.in.size();
  if (client.skips || size > kControlLineBytesMax) {
    client.skips = !whole;
    client.in.erase(0, whole ? end + 1 : size);
    if (client.skips && !client.ended) return;
    client.skips = false;
    client.since = now;
    client.reply->send(
        error_line(ErrorCode::invalid_argument, "the request has more than " +
                                                    std::to_string(kControlLineBytesMax) +
                                                    " bytes, the most that a line may have"));
  } else if (whole) {
    std::string line = client.in.substr(0, end);
    client.in.erase(0, end + 1);
    client.since = now;
    begin_request(client, std::move(line));
  } else if (client.ended && !client.in.empty()) {
    client.in.clear();
    client.reply->send(error_line(ErrorCode::invalid_argument,
                                  "the last line was not finished, so it was not looked at; a "
                                  "request ends with a line feed"));
  }
}

void ControlServer::begin_request(Client& client, std::string line) {
  try {
    client.request = std::thread([this, reply = client.reply, line = std::move(line)] {
      handler_(line, *reply);
      reply->done = true;
      signal_event(woken_);
    });
  } catch (const std::system_error& error) {
    client.reply->send(
        error_line(ErrorCode::io_error, std::string("no thread can be had: ") + error.what()));
  }
}

bool ControlServer::is_over(const Client& client, Time now) const {
  if (client.is_asking()) return false;
  if (client.gone || (client.ended && client.in.empty() && !client.reply->has_more())) return true;
  return now - client.since >= options_.patience;
}

/// Until the first client has used up its patience; -1: there is none to wait for.
int ControlServer::wait_ms(Time now) const {
  Time first = now < accept_again_ ? accept_again_ : Time::max();
  for (const Client& client : clients_) {
    if (!client.is_asking()) first = std::min(first, client.since + options_.patience);
  }
  if (first == Time::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(first - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

void ControlServer::end_all() {
  socket_.close();
  for (Client& client : clients_) {
    if (!client.is_asking()) continue;
    client.request.join();
    (void)client.reply->write();
  }
  clients_.clear();
}

}  // namespace busway::host_detail
