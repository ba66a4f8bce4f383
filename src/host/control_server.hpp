// host/control_server.hpp -- several operators at a time ask, each gets its answers in order.
// Layer: host
//
// Model      One thread reads the lines of all clients and writes their replies, and waits for
//            none of them. A request runs on a thread of its own, so one that takes long keeps no
//            other client back; the next line of its client is read when it has been answered.
//            Clients that neither finish a line nor read any of their reply are dropped after
//            `patience`, as are those that say nothing at all for so long.
//            What one has asked is done also when it has gone away; it takes no place among the
//            clients then, and nobody hears the answer. Only this user and root may ask.
// Threads    [not-concurrent]; the handler is called on threads of the server, several at once.
// Ownership  Owns the socket. The destructor removes it, waits for the requests that run, begins no
//            others, and gives those who read their answers `patience_at_end` for it.
// Errors     The constructor throws Error(io_error). A client's faults are told to it.
// Cost       A thread, and one more for each request that runs.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "host/control_reply.hpp"
#include "host/control_socket.hpp"
#include "platform/descriptor.hpp"

namespace busway::host_detail {

/// Of a request, without its end.
inline constexpr std::size_t kControlLineBytesMax = std::size_t{64} << 10U;

class ControlServer {
 public:
  using Handler = std::function<void(std::string_view line, ControlReply& reply)>;
  struct Options {
    std::chrono::milliseconds patience = std::chrono::seconds(10);
    std::size_t clients_max = 32;
    /// Of those that have gone while their request runs, so many take no place.
    std::size_t left_max = 32;
    std::chrono::milliseconds patience_at_end = std::chrono::seconds(2);
  };

  ControlServer(ControlSocket socket, Handler handler, Options options);
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  ~ControlServer();

  [[nodiscard]] const std::string& path() const noexcept { return socket_.path(); }

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Client;

  void wake() const noexcept;
  void serve();
  void accept_all(Time now);
  [[nodiscard]] std::string why_full() const;
  void look_at(Client& client, short ready, Time now);
  void begin_what_is_there(Client& client, Time now);
  void begin_next(Client& client, Time now);
  void begin_request(Client& client, std::string line);
  [[nodiscard]] bool is_over(const Client& client, Time now) const;
  [[nodiscard]] int wait_ms(Time now) const;
  void end_all();

  ControlSocket socket_;
  const Handler handler_;
  const Options options_;
  const platform_detail::Descriptor woken_;  // an eventfd: a request has something for the thread
  const platform_detail::Descriptor end_;    // an eventfd: it is over
  std::list<Client> clients_;                // of the thread
  Time accept_again_{};                      // of the thread: after a failure, not before
  std::thread thread_;
};

}  // namespace busway::host_detail
