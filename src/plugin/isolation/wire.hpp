// plugin/isolation/wire.hpp -- what a host and the process of a plugin say to each other, as bytes.
// Layer: plugin
//
// Model      Frames: a length, a kind, a body of numbers and texts. Both ends are the same build on
//            the same machine, so numbers are as they lie in memory. Frames go two ways over one
//            socket, and the plugin's process has one thread that reads it. What the host sends is
//            open, call, events or answer. The process replies to open with facts or refused, to a
//            call with returned, to events with handled or failed; a request of its own it makes
//            in between, and until the answer comes it takes calls, which nest.
//            Threads of the plugin's own have a socket each, for requests and answers alone.
//            The time that an event has left counts from when the process begins it: one that was
//            sent ahead has all of its time then. The host's own clock, by which it is given up,
//            starts in its turn, a little later.
// Threads    [not-concurrent]
// Ownership  A Writer appends to a text that it does not own; what a Reader returns are views into
//            the frame.
// Errors     A Reader throws WireError where the frame ends too soon or holds too much: nothing
//            that a process sends is trusted.
// Cost       A copy of the bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "busway/plugin.h"

namespace busway::plugin_host_detail::wire {

/// A frame without its length. A state that is handed over is the longest.
inline constexpr std::size_t kFrameBytesMax = (std::size_t{1} << 30U) + (std::size_t{1} << 20U);

enum class Kind : std::uint8_t {
  // By the host:
  open = 1,  // Opening
  call,      // Call, its number, its argument
  events,    // one or more: number, tag, attempt, flags, time left, event
  answer,    // status, words, and what was asked for

  // By the process:
  facts = 32,  // Facts
  refused,     // words
  returned,    // number, status, words, what the call gives
  handled,     // all events up to this number are
  failed,      // number, status, words, retry delay; what followed in its frame was not handled
  skipped,     // number: this one and what followed in its frame were taken back, and not handled

  // Requests, of which only log and report_error have no answer:
  subscribe = 64,
  unsubscribe,
  publish,
  request,
  reply,
  stop_requested,
  schedule,
  cancel_timer,
  log,
  report_error,
  set_source_state
};

enum class Call : std::uint8_t {
  create = 1,
  destroy,
  setup,
  start,
  stop,
  teardown,
  health,
  on_timer,
  on_event,  // one that cannot wait for the events before it
  save_state,
  restore_state,
  begin_sources,
  end_sources
};

struct WireError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Writer {
 public:
  /// Begins a frame at the end of the text; the destructor writes its length.
  Writer(std::string& out, Kind kind);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer();

  template <class T>
  Writer& put(T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Writer& text(std::string_view text);
  Writer& view(const busway_view& view) {
    return text(view.data == nullptr ? std::string_view() : std::string_view(view.data, view.size));
  }

 private:
  std::string& out_;
  const std::size_t begin_;
};

class Reader {
 public:
  explicit Reader(std::string_view frame);

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  template <class T>
  [[nodiscard]] T get() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  [[nodiscard]] std::string_view text();
  [[nodiscard]] busway_view view() {
    const std::string_view read = text();
    return {read.empty() ? nullptr : read.data(), read.size()};
  }
  [[nodiscard]] bool more() const noexcept { return !rest_.empty(); }

 private:
  [[nodiscard]] const char* take(std::size_t size);

  std::string_view rest_;
  Kind kind_{};
};

void put_event(Writer& out, const busway_event& event);
[[nodiscard]] busway_event get_event(Reader& in);
void put_message(Writer& out, const busway_message& message);
[[nodiscard]] busway_message get_message(Reader& in);
void put_options(Writer& out, const busway_subscribe_options& options);
[[nodiscard]] busway_subscribe_options get_options(Reader& in);

/// What the process is to open, and within which bounds.
struct Opening {
  std::string path;          // where the library lies; its bytes come as a descriptor
  std::string library_path;  // DT_RUNPATH
  std::string image_name;
  std::uint64_t memory_bytes_max = 0;  // 0: as the host
  std::uint64_t open_files_max = 0;
  std::uint64_t cpu_seconds_max = 0;
  std::uint64_t state_bytes_max = 0;
};
void put_opening(std::string& out, const Opening& opening);
[[nodiscard]] Opening get_opening(Reader& in);

/// What a library says of itself.
struct Facts {
  std::string id;
  std::string version;
  std::string description;
  std::vector<std::string> required;
  std::uint32_t functions = 0;  // of those that may be null, a bit each, as optional_functions()
};
void put_facts(std::string& out, const busway_plugin_api& api);
[[nodiscard]] Facts get_facts(Reader& in);

/// The functions of a table that may be null, each with its call, in the order of their bits.
inline constexpr std::array kOptionalCalls{
    Call::setup,    Call::start,      Call::stop,          Call::teardown,      Call::health,
    Call::on_timer, Call::save_state, Call::restore_state, Call::begin_sources, Call::end_sources};
[[nodiscard]] constexpr bool offers(std::uint32_t functions, Call call) noexcept {
  for (std::size_t i = 0; i < kOptionalCalls.size(); ++i) {
    if (kOptionalCalls[i] == call) return (functions >> i & 1U) != 0;
  }
  return true;
}

/// Shared memory: what the process has begun and done, also when it dies before it could say so.
struct Progress {
  // Numbers of events, through std::atomic_ref.
  std::uint64_t begun = 0;
  std::uint64_t done = 0;     // handled well
  std::uint64_t revoked = 0;  // by the host: up to it none is to begin any more
};

/// The numbers of the descriptors that the process is started with.
inline constexpr int kSocket = 3;
inline constexpr int kDoor = 4;  // through it come the sockets of further threads
inline constexpr int kProgress = 5;
inline constexpr int kLibrary = 6;

}  // namespace busway::plugin_host_detail::wire
