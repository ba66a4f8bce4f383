#include "host/control_server.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

#include "busway/error.hpp"
#include "host/control_outbox.hpp"
#include "platform/local_socket.hpp"

namespace busway::host_detail {
namespace {

using platform_detail::Descriptor;

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

int milliseconds_until(std::chrono::steady_clock::time_point then,
                       std::chrono::steady_clock::time_point now) noexcept {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(then - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

/// To one that will not be served: what fits, at once.
void tell(int connection, ErrorCode code, std::string_view message) {
  const std::string line = error_line(code, message) + '\n';
  (void)::send(connection, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

struct ControlServer::Client {
  Descriptor connection;
  std::shared_ptr<ControlOutbox> reply;
  Time since;          // when it last did something, or it became its turn to
  std::string in;      // not more than a line and what one read brings
  bool skips = false;  // what is left of a line that was too long
  bool ended = false;  // it sends no more
  bool gone = false;   // it reads no more; what it has sent before is still done
  std::thread request{};

  [[nodiscard]] bool is_asking() const noexcept { return request.joinable(); }
  void take_in();
  void join_if_done(Time now);
};

/// Not more than one read brings.
void ControlServer::Client::take_in() {
  std::array<char, 16'384> buffer;
  const ssize_t got = ::recv(connection.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got > 0) {
    in.append(buffer.data(), static_cast<std::size_t>(got));
  } else if (got == 0) {
    ended = true;
  } else if (errno == EAGAIN) {
    if (gone) ended = true;  // all that it sent before has come
  } else if (errno != EINTR) {
    ended = true;
    gone = true;
  }
}

void ControlServer::Client::join_if_done(Time now) {
  if (!is_asking() || !reply->done.exchange(false)) return;
  request.join();
  since = now;
}

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

void ControlServer::wake() const noexcept { signal_event(woken_); }

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
    } else if (const std::string why = why_full(); !why.empty()) {
      tell(connection.get(), ErrorCode::too_many, why);
    } else {
      auto reply = std::make_shared<ControlOutbox>(connection.get(), [this] { wake(); });
      clients_.push_back({std::move(connection), std::move(reply), now, {}});
    }
  }
}

/// Empty: there is room for one more.
std::string ControlServer::why_full() const {
  const auto left = static_cast<std::size_t>(std::count_if(
      clients_.begin(), clients_.end(), [](const Client& client) { return client.gone; }));
  const std::size_t connected = clients_.size() - left;
  const std::size_t too_many_left = left - std::min(left, options_.left_max);
  if (connected + too_many_left < options_.clients_max) return {};
  std::string why = std::to_string(connected) + " clients are connected";
  if (too_many_left > 0)
    why += " and " + std::to_string(left) + " requests run whose clients have gone";
  return why + "; no more are taken; try again when there are fewer";
}

void ControlServer::look_at(Client& client, short ready, Time now) {
  if ((ready & POLLIN) != 0) client.take_in();
  if ((ready & (POLLHUP | POLLERR | POLLNVAL)) != 0) client.gone = true;
  client.join_if_done(now);
  if (!client.gone && client.reply->has_more()) {
    if (client.reply->write() > 0) client.since = now;
    client.gone = client.reply->is_gone();
  }
  if (client.gone) client.reply->set_gone();
  begin_what_is_there(client, now);
}

/// One that is gone is not polled: what it has sent is taken in here, line by line.
void ControlServer::begin_what_is_there(Client& client, Time now) {
  const auto waits = [&] { return client.is_asking() || client.reply->has_more(); };
  if (!client.gone) {
    if (!waits()) begin_next(client, now);
    return;
  }
  while (!waits() && !(client.ended && client.in.empty())) {
    if (!client.ended && client.in.find('\n') == std::string::npos) client.take_in();
    begin_next(client, now);
  }
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
      wake();
    });
  } catch (const std::system_error& error) {
    client.reply->send(
        error_line(ErrorCode::io_error, std::string("no thread can be had: ") + error.what()));
  }
}

bool ControlServer::is_over(const Client& client, Time now) const {
  if (client.is_asking()) return false;
  if (client.ended && client.in.empty() && !client.reply->has_more()) return true;
  return now - client.since >= options_.patience;
}

/// Until the first client has used up its patience; -1: there is none to wait for.
int ControlServer::wait_ms(Time now) const {
  Time first = now < accept_again_ ? accept_again_ : Time::max();
  for (const Client& client : clients_) {
    if (!client.is_asking()) first = std::min(first, client.since + options_.patience);
  }
  return first == Time::max() ? -1 : milliseconds_until(first, now);
}

/// What has been begun is answered. The time for reading the answers begins when all are there.
void ControlServer::end_all() {
  socket_.close();
  std::vector<pollfd> all;
  Time deadline = Time::max();
  for (;;) {
    const Time now = std::chrono::steady_clock::now();
    all.assign({pollfd{woken_.get(), POLLIN, 0}});
    bool asks = false;
    for (Client& client : clients_) {
      client.join_if_done(now);
      if (client.is_asking()) asks = true;
      (void)client.reply->write();
      if (client.reply->has_more()) all.push_back({client.connection.get(), POLLOUT, 0});
    }
    if (!asks && deadline == Time::max()) deadline = now + options_.patience_at_end;
    if (!asks && (all.size() == 1 || now >= deadline)) break;
    (void)::poll(all.data(), all.size(), asks ? -1 : milliseconds_until(deadline, now));
    clear_event(woken_);
  }
  clients_.clear();
}

}  // namespace busway::host_detail
