// followed_file.hpp -- what a path names, whatever happens to it.
//
// Model      Each check() reads what is new. When the path names another file than before, it was
//            rotated: the old one is still read until it has been silent for rotate_wait, as its
//            writer may not have noticed yet, and the new one from its beginning. A file that is
//            made later is read from its beginning, one that is there at the start from `start`.
//            A later reader goes on where an earlier one stood, in all files of which that had not
//            read all: one that has another name now is looked for by what it is.
// Threads    [not-concurrent]
// Ownership  Owns what it has open: the file, and at most kRetiredMax that were rotated, one more
//            after it went on from an earlier reader.
// Errors     What is wrong with a file is told by on_note, once until it changes; the next check
//            tries again. A rotated file keeps no other one waiting: after kTriesMax, a second or
//            more apart, it is given up, which is told as well, as it is when there are too many.
// Cost       check() without news: two stat and two reads.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "open_file.hpp"
#include "settings.hpp"

namespace tail {

inline constexpr std::size_t kRetiredMax = 4;
inline constexpr int kTriesMax = 5;

/// Where a reader stood in what a path named and had named.
struct PathPosition {
  Position current{};
  std::vector<Position> retired{};  // oldest first
};

class FollowedFile {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Options {
    std::string path{};
    Start start = Start::end;
    std::size_t line_bytes_max = 65'536;
    std::chrono::milliseconds rotate_wait{5000};
    OpenFile::OnLine on_line{};
    /// Topic and payload: tail.opened, tail.rotated, tail.truncated, tail.failed, tail.lost.
    std::function<void(std::string_view topic, const nlohmann::json& payload)> on_note{};
  };

  explicit FollowedFile(Options options);

  /// Before the first check.
  void go_on_from(const PathPosition& position);

  /// Opens the file if it is there, so that what is written from now on is new; check() tells of
  /// it. Without this the first check does it.
  void look();

  /// more: there may be more to read at once. stopped: on_line said so; a line that it refused is
  /// told again by the next check.
  enum class Checked : unsigned char { done, more, stopped };
  Checked check(Time now);

  /// Nothing more will come: lines without an end are lines. Rotated files that could not be read
  /// are kept, for a later reader. stopped: a line was refused; finish() again tells it again.
  Checked finish();

  [[nodiscard]] bool is_open() const noexcept { return current_.has_value(); }
  [[nodiscard]] bool has_failed() const;
  /// When a rotated file wants the next check; nothing when there is none.
  [[nodiscard]] std::optional<Time> wait_until() const;
  /// Of no file, when there is none; nothing, when that could not be found out.
  [[nodiscard]] std::optional<PathPosition> position() const;
  [[nodiscard]] const std::string& path() const noexcept { return options_.path; }

 private:
  struct Retired {
    std::optional<OpenFile> file{};  // none yet: of an earlier reader, to be found
    Position wanted{};               // where that one stood
    Time silent_since{};
    int tries = 0;  // that failed, one after the other
    Time try_at{};
    std::string failure{};
  };
  struct Note {
    std::string topic;
    nlohmann::json payload;
  };

  [[nodiscard]] Checked check_retired(Time now);
  [[nodiscard]] bool open_retired(Retired& one, Time now);
  [[nodiscard]] bool may_be_tried_again(Retired& one, const std::string& what, Time now);
  [[nodiscard]] Checked check_current(Time now);
  [[nodiscard]] Checked begin_anew(OpenFile& file);
  [[nodiscard]] bool is_rotated() const;
  [[nodiscard]] Checked retire_current(Time now);
  void look_for_rotation(Time now);
  void open_current();
  void open_renamed();
  void give_up(const Retired& one, const std::string& why);
  void note(std::string_view topic, nlohmann::json payload);
  void note_soon(std::string topic, nlohmann::json payload);
  void tell_notes();
  void note_failure(const std::string& what);

  const Options options_;
  std::optional<Position> position_;  // where an earlier reader stood in what the path named
  std::optional<OpenFile> current_;
  std::deque<Retired> retired_;  // oldest first
  std::vector<Note> untold_;     // the next check tells
  std::string failure_;          // the one that was told last
  bool was_looked_for_ = false;  // so a file that comes now is a new one
};

}  // namespace tail
