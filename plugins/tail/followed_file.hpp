// followed_file.hpp -- what a path names, whatever happens to it.
//
// Model      Each check() reads what is new. When the path names another file than before, it was
//            rotated: the old one is still read until it has been silent for rotate_wait, as its
//            writer may not have noticed yet, and the new one from its beginning. A file that is
//            made later is read from its beginning, one that is there at the start from `start`.
// Threads    [not-concurrent]
// Ownership  Owns what it has open: the file, and at most kRetiredMax that were rotated.
// Errors     What is wrong with a file is told by on_note, once until it changes; the next check
//            tries again.
// Cost       check() without news: two stat and a read.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "open_file.hpp"
#include "settings.hpp"

namespace tail {

inline constexpr std::size_t kRetiredMax = 4;

/// Where a reader stood in a file, for the one that comes after it.
struct Position {
  FileIdentity identity{};
  std::int64_t offset = 0;
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
    /// Topic and payload: tail.opened, tail.rotated, tail.truncated, tail.failed.
    std::function<void(std::string_view topic, const nlohmann::json& payload)> on_note{};
  };

  explicit FollowedFile(Options options);

  /// Before the first check.
  void go_on_from(const Position& position) { position_ = position; }

  /// Opens the file if it is there, so that what is written from now on is new; check() tells of
  /// it. Without this the first check does it.
  void look();

  /// more: there may be more to read at once. stopped: on_line said so.
  enum class Checked : unsigned char { done, more, stopped };
  Checked check(Time now);

  /// Nothing more will come: lines without an end are lines.
  void finish();

  [[nodiscard]] bool is_open() const noexcept { return current_.has_value(); }
  [[nodiscard]] bool has_failed() const noexcept { return !failure_.empty(); }
  /// Until when a rotated file is still read; nothing when there is none.
  [[nodiscard]] std::optional<Time> wait_until() const;
  /// Of no file, when there is none; nothing, when that could not be found out.
  [[nodiscard]] std::optional<Position> position() const;
  [[nodiscard]] const std::string& path() const noexcept { return options_.path; }

 private:
  struct Retired {
    OpenFile file;
    Time silent_since;
  };

  [[nodiscard]] Checked check_retired(Time now);
  [[nodiscard]] Checked check_current(Time now);
  void open_current();
  void close_retired();
  void note(std::string_view topic, nlohmann::json payload);
  void note_failure(const std::string& what);

  const Options options_;
  std::optional<Position> position_;
  std::optional<OpenFile> current_;
  std::deque<Retired> retired_;  // oldest first
  std::string failure_;          // the one that was told last
  bool was_looked_for_ = false;  // so a file that comes now is a new one
  bool is_told_ = true;          // that it was opened
};

}  // namespace tail
