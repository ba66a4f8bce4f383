// A busway-plugin-host that misbehaves, in the way that the file of the library it is to open is
// named: "garbage.so" is answered with garbage.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugin/isolation/channel.hpp"
#include "plugin/isolation/wire.hpp"

namespace {

using namespace busway::plugin_host_detail;  // NOLINT
using busway::platform_detail::Descriptor;
using wire::Call;
using wire::Kind;
using wire::Reader;
using wire::Writer;

constexpr std::uint32_t kHasStart = 2;

std::string mode;

bool does(std::string_view what) { return mode == what; }

/// Alive, and doing nothing, until it is killed.
[[noreturn]] void stay() {
  for (;;) ::pause();
}

class Rogue {
 public:
  [[noreturn]] void run() {
    std::string_view frame;
    if (channel_.receive(frame) != Channel::Got::frame) ::_exit(90);
    Reader in(frame);
    const std::string path = wire::get_opening(in).path;
    mode = path.substr(path.rfind('/') + 1);
    mode = mode.substr(0, mode.find('.'));
    at_opening();
    put_facts("rogue", 0);
    if (does("asks_before_it_is_created")) publish("rogue.early");
    if (does("handles_before_it_is_created"))
      Writer(channel_.out(), Kind::handled).put(~std::uint64_t{0});
    if (does("fails_before_it_is_created")) failed(1, BUSWAY_FAILED);
    flush();
    for (;;) handle(next());
  }

 private:
  void flush() {
    if (!channel_.flush()) ::_exit(91);
  }
  std::string next() {
    std::string_view frame;
    if (channel_.receive(frame) != Channel::Got::frame) ::_exit(0);
    return std::string(frame);
  }
  void raw(std::string_view bytes) {
    channel_.out().append(bytes);
    flush();
  }
  void put_facts(std::string_view id, std::uint32_t required, std::uint32_t written = 0) {
    Writer frame(channel_.out(), Kind::facts);
    frame.text(id).text("1.0.0").text("a rogue").put(kHasStart).put(required);
    for (std::uint32_t i = 0; i < written; ++i) frame.text("needed");
  }
  void publish(std::string_view topic) {
    busway_message message{};
    message.size = sizeof message;
    message.priority = BUSWAY_PRIORITY_NORMAL;
    message.topic = {topic.data(), topic.size()};
    Writer frame(channel_.out(), Kind::publish);
    frame.put(std::uint8_t{0});
    wire::put_message(frame, message);
  }
  void returned(std::uint64_t number, busway_status status = BUSWAY_OK,
                std::string_view words = {}) {
    Writer(channel_.out(), Kind::returned).put(number).put(status).text(words).text({});
  }
  void log_line(Channel& channel, std::string_view line) {
    Writer(channel.out(), Kind::log).put(std::uint32_t{BUSWAY_LOG_INFO}).text(line);
  }

  void at_opening() {
    if (does("exits")) ::_exit(5);
    if (does("crashes")) ::abort();
    if (does("silent")) stay();
    if (does("garbage")) {
      raw(std::string(1000, '\xd5'));
      stay();
    }
    if (does("huge_length")) {
      raw(std::string_view("\xff\xff\xff\xff\x20", 5));
      stay();
    }
    if (does("zero_length")) {
      raw(std::string_view("\0\0\0\0", 4));
      stay();
    }
    if (does("closes_at_once")) {
      ::close(wire::kSocket);
      stay();
    }
    if (does("half_a_frame")) {
      raw(std::string_view("\x40\0\0\0\x20half", 9));
      stay();
    }
    if (does("floods_in_one_frame")) {
      raw(std::string_view("\0\0\0\x40\x20", 5));
      for (const std::string piece(1U << 16U, 'x');;) raw(piece);
    }
    if (does("illegal_id")) put_facts("no/id\x1b[31m", 0);
    if (does("no_id")) put_facts("", 0);
    if (does("long_id")) put_facts(std::string(1U << 20U, 'i'), 0);
    if (does("many_required")) put_facts("rogue", 1'000'000, 1'000'000);
    if (does("more_required_than_written")) put_facts("rogue", 200, 3);
    if (does("cut_facts")) Writer(channel_.out(), Kind::facts).text("rogue").put(std::uint32_t{9});
    if (does("asks_in_place_of_facts")) publish("rogue.early");
    if (does("unknown_kind")) Writer(channel_.out(), static_cast<Kind>(200)).text("?");
    if (does("refuses_without_words"))
      Writer(channel_.out(), Kind::refused).put(std::uint8_t{0}).text({});
    if (does("refuses_with_odd_words"))
      Writer(channel_.out(), Kind::refused).put(std::uint8_t{255}).text("\x1b[31mno\n\xff");
    if (does("refuses_cut"))
      Writer(channel_.out(), Kind::refused).put(std::uint8_t{1}).put(std::uint8_t{9});
    if (channel_.out().empty()) return;
    flush();
    stay();
  }

  void handle(const std::string& frame) {
    Reader in(frame);
    if (in.kind() == Kind::events) return handle_event(in);
    if (in.kind() != Kind::call) ::_exit(92);
    const auto what = in.get<Call>();
    const auto number = in.get<std::uint64_t>();
    if (what == Call::create) return create(number);
    if (what == Call::start) return start(number);
    returned(number);
    flush();
  }

  void create(std::uint64_t number) {
    if (does("answers_another_call")) returned(number + 1000);
    if (does("answers_twice")) returned(number);
    if (does("answers_cut")) Writer(channel_.out(), Kind::returned).put(number);
    if (does("answers_unasked")) Writer(channel_.out(), Kind::answer).put(number);
    if (does("exits_in_create")) ::_exit(7);
    returned(number);
    flush();
  }

  void start(std::uint64_t number) {
    if (does("floods_log")) {
      for (;;) {
        for (int i = 0; i < 100; ++i) log_line(channel_, "and again");
        flush();
      }
    }
    if (does("floods_handled")) {
      for (;;) {
        for (int i = 0; i < 1000; ++i) Writer(channel_.out(), Kind::handled).put(std::uint64_t{1});
        flush();
      }
    }
    if (does("closes")) {
      ::close(wire::kSocket);
      stay();
    }
    std::string problem;
    if (mode.rfind("door_", 0) == 0) problem = at_door();
    if (does("shrinks")) problem = shrink();
    {
      Writer frame(channel_.out(), Kind::subscribe);
      busway_subscribe_options once_tried{};
      once_tried.retry_set = 1;
      once_tried.retry_initial_delay_ns = 1'000'000;
      once_tried.retry_max_delay_ns = 1'000'000;
      once_tried.retry_backoff_factor = 1;
      frame.put(std::uint64_t{7}).put(std::uint8_t{1});
      wire::put_options(frame, once_tried);
      frame.put(std::uint32_t{1}).text("rogue.in");
    }
    flush();
    const std::string answer = next();
    if (Reader in(answer); in.kind() != Kind::answer || in.get<busway_status>() != BUSWAY_OK)
      problem += "it could not subscribe: " + std::string(in.text());
    returned(number, problem.empty() ? BUSWAY_OK : BUSWAY_FAILED, problem);
    flush();
    if (does("does_not_read")) stay();
  }

  /// What must not have worked.
  static std::string shrink() {
    std::string wrong;
    const auto must_fail = [&](bool failed, const char* what) {
      if (!failed) wrong += std::string(what) + " worked; ";
    };
    must_fail(::ftruncate(wire::kProgress, 0) != 0, "shrinking the memory");
    must_fail(::ftruncate(wire::kProgress, 1 << 20) != 0, "growing the memory");
    must_fail(::fcntl(wire::kProgress, F_ADD_SEALS, F_SEAL_WRITE) != 0, "sealing the memory");
    must_fail(::ftruncate(wire::kLibrary, 0) != 0, "shrinking the library");
    must_fail(::pwrite(wire::kLibrary, "x", 1, 0) < 0, "writing to the library");
    must_fail(
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, wire::kLibrary, 0) == MAP_FAILED,
        "mapping the library to write");
    return wrong;
  }

  // -- Through the door ---------------------------------------------------------------------------

  static bool send_through_door(const std::vector<int>& descriptors) {
    char byte = 0;
    iovec text{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 8)> control{};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
      const std::size_t bytes = descriptors.size() * sizeof(int);
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(bytes);
      cmsghdr* const rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(bytes);
      std::memcpy(CMSG_DATA(rights), descriptors.data(), bytes);
    }
    return ::sendmsg(wire::kDoor, &message, MSG_NOSIGNAL) >= 0;
  }

  struct Ends {
    explicit Ends(int type) {
      int both[2] = {-1, -1};
      if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, both) != 0) ::_exit(93);
      mine = Descriptor(both[0]);
      theirs = Descriptor(both[1]);
    }
    Descriptor mine;
    Descriptor theirs;
  };

  std::string at_door() {
    constexpr int kTimes = 50;
    for (int i = 0; i < kTimes; ++i) {
      if (does("door_pipe")) {
        int ends[2] = {-1, -1};
        if (::pipe2(ends, O_CLOEXEC) != 0) return "no pipe";
        const Descriptor from(ends[0]);
        const Descriptor to(ends[1]);
        (void)send_through_door({(i % 2 == 0 ? from : to).get()});
      } else if (does("door_file")) {
        const Descriptor file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
        (void)send_through_door({file.get()});
      } else if (does("door_nothing")) {
        (void)send_through_door({});
      } else if (does("door_several")) {
        Ends one(SOCK_STREAM);
        Ends other(SOCK_STREAM);
        (void)send_through_door({one.theirs.get(), other.theirs.get(), other.mine.get()});
        (void)send_through_door({one.theirs.get(), other.theirs.get()});
      } else if (does("door_datagrams")) {
        Ends ends(SOCK_DGRAM);
        (void)send_through_door({ends.theirs.get()});
      } else if (does("door_itself")) {
        (void)send_through_door({wire::kDoor});
      } else if (does("door_listening")) {
        const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        (void)send_through_door({socket.get()});
      } else if (does("door_garbage")) {
        Ends ends(SOCK_STREAM);
        (void)send_through_door({ends.theirs.get()});
        ends.theirs = Descriptor();
        (void)::send(ends.mine.get(), "\xff\xff\xff\xff\xff", 5, MSG_NOSIGNAL);
        kept_.push_back(std::move(ends.mine));
      } else if (does("door_unknown_kind")) {
        Ends ends(SOCK_STREAM);
        (void)send_through_door({ends.theirs.get()});
        (void)::send(ends.mine.get(), "\1\0\0\0\1", 5, MSG_NOSIGNAL);
        kept_.push_back(std::move(ends.mine));
      }
    }
    if (does("door_many")) {
      // More threads than any plugin may have, all of which stay.
      for (int i = 0; i < 300; ++i) {
        Ends ends(SOCK_STREAM);
        (void)send_through_door({ends.theirs.get()});
        kept_.push_back(std::move(ends.mine));
      }
      kept_.resize(150);
    }
    // What is sent later is let in later: when this one is answered all others were looked at.
    for (int tries = 0; tries < 10'000; ++tries) {
      Ends ends(SOCK_STREAM);
      if (!send_through_door({ends.theirs.get()})) return "the door is closed";
      ends.theirs = Descriptor();
      Channel side(std::move(ends.mine));
      Writer(side.out(), Kind::stop_requested).put(std::uint64_t{1});
      std::string_view answer;
      if (side.flush() && side.receive(answer) == Channel::Got::frame) return {};
      if (!does("door_many")) return "a thread was not let in after all that";
    }
    return "no thread is let in any more";
  }

  // -- Events -------------------------------------------------------------------------------------

  void handle_event(Reader& in) {
    const auto number = in.get<std::uint64_t>();
    if (does("handles_what_was_never_sent")) {
      Writer(channel_.out(), Kind::handled).put(number + 1'000'000);
    } else if (does("handles_none")) {
      Writer(channel_.out(), Kind::handled).put(std::uint64_t{0});
    } else if (does("handles_what_an_earlier_one_was_sent")) {
      if (number == 1) ::_exit(3);
      Writer(channel_.out(), Kind::handled).put(number - 1);
    } else if (does("fails_what_was_never_sent")) {
      failed(number + 1'000'000, BUSWAY_FAILED);
    } else if (does("skips_what_was_never_sent")) {
      Writer(channel_.out(), Kind::skipped).put(number + 1'000'000);
    } else if (does("notes_what_was_never_sent")) {
      note_done(number + 1'000'000);
      stay();
    } else if (does("fails_twice")) {
      failed(number, BUSWAY_DEAD_LETTER);
      failed(number, BUSWAY_DEAD_LETTER);
    } else if (does("fails_oddly")) {
      failed(number, 123'456);
    } else if (does("fails_with_ok")) {
      failed(number, BUSWAY_OK);
    } else if (does("writes_rubbish")) {
      std::memset(shared(), 0xff, sizeof(wire::Progress));
      ::_exit(0);
    } else if (does("dies_of_no_event")) {
      ::_exit(3);
    } else {
      Writer(channel_.out(), Kind::handled).put(number);
    }
    flush();
  }
  static void* shared() {
    void* const mapped = ::mmap(nullptr, sizeof(wire::Progress), PROT_READ | PROT_WRITE, MAP_SHARED,
                                wire::kProgress, 0);
    if (mapped == MAP_FAILED) ::_exit(94);
    return mapped;
  }
  static void note_done(std::uint64_t number) {
    std::atomic_ref(static_cast<wire::Progress*>(shared())->done).store(number);
  }
  void failed(std::uint64_t number, busway_status status) {
    Writer(channel_.out(), Kind::failed)
        .put(number)
        .put(status)
        .text("because\x1b[31m")
        .put(std::int64_t{-5});
  }

  Channel channel_{Descriptor(wire::kSocket)};
  std::vector<Descriptor> kept_;
};

}  // namespace

int main(int count, char** /*arguments*/) {
  if (count > 1) return 0;  // it was to try out a library
  Rogue().run();
}
