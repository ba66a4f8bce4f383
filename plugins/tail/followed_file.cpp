#include "followed_file.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include "find_file.hpp"

namespace tail {
namespace {

/// A check reads so much of one file; then the others have their turn.
constexpr std::size_t kBytesACheck = std::size_t{1} << 20U;
/// Between two tries to read a rotated file.
constexpr std::chrono::seconds kTryAgainAfter{1};

}  // namespace

FollowedFile::FollowedFile(Options options) : options_(std::move(options)) {}

void FollowedFile::go_on_from(const PathPosition& position) {
  position_ = position.current;
  for (const Position& one : position.retired) retired_.push_back({.wanted = one});
}

void FollowedFile::look() {
  try {
    open_current();
  } catch (const std::exception&) {
    // The check will meet it again, and tell.
  }
}

FollowedFile::Checked FollowedFile::check(Time now) {
  tell_notes();
  // What was written before comes first.
  if (const Checked retired = check_retired(now); retired != Checked::done) {
    if (retired == Checked::stopped) look_for_rotation(now);
    return retired;
  }
  try {
    const Checked checked = check_current(now);
    if (checked == Checked::stopped) {
      look_for_rotation(now);
    } else {
      failure_.clear();
    }
    return checked;
  } catch (const std::exception& error) {
    note_failure(error.what());
  }
  try {
    // One that cannot be read shall not hide the one that has taken its place.
    if (!current_ || !is_rotated()) return Checked::done;
  } catch (const std::exception&) {
    return Checked::done;  // as above
  }
  return retire_current(now);
}

FollowedFile::Checked FollowedFile::check_retired(Time now) {
  for (auto one = retired_.begin(); one != retired_.end();) {
    bool is_over = false;
    try {
      if (one->tries == 0 || now >= one->try_at) {
        if (!one->file && !open_retired(*one, now)) {
          is_over = true;
        } else {
          const OpenFile::Read read = one->file->read(kBytesACheck, options_.on_line);
          one->tries = 0;
          one->failure.clear();
          if (read == OpenFile::Read::stopped) return Checked::stopped;
          if (read != OpenFile::Read::nothing) {
            one->silent_since = now;
            return read == OpenFile::Read::truncated ? begin_anew(*one->file) : Checked::more;
          }
          is_over = now - one->silent_since >= options_.rotate_wait;
          if (is_over && one->file->finish_line(options_.on_line) == OpenFile::Told::refused) {
            return Checked::stopped;
          }
        }
      }
    } catch (const std::exception& error) {
      is_over = !may_be_tried_again(*one, error.what(), now);
    }
    one = is_over ? retired_.erase(one) : std::next(one);
  }
  return Checked::done;
}

/// False when it is not there any more, which has been told.
bool FollowedFile::open_retired(Retired& one, Time now) {
  const std::optional<std::string> path =
      current_ && current_->identity() == one.wanted.identity
          ? std::nullopt  // its inode has been given to another file
          : find_file(one.wanted, options_.path);
  if (!path) {
    give_up(one, "the rotated file is not in its folder any more");
    return false;
  }
  std::optional<OpenFile> file = OpenFile::open(*path, options_.line_bytes_max);
  if (!file || !may_be(file->identity(), one.wanted)) {
    throw std::runtime_error("\"" + *path + "\" was renamed while it was opened");
  }
  if (!file->go_on_from(one.wanted)) {
    give_up(one, "\"" + *path + "\" is not what was read any more");
    return false;
  }
  one.file = std::move(file);
  one.silent_since = now;
  return true;
}

bool FollowedFile::may_be_tried_again(Retired& one, const std::string& what, Time now) {
  if (std::exchange(one.failure, what) != what) note("tail.failed", {{"error", what}});
  one.try_at = now + kTryAgainAfter;
  if (++one.tries < kTriesMax) return true;
  give_up(one, what);
  return false;
}

FollowedFile::Checked FollowedFile::check_current(Time now) {
  if (!current_) {
    open_current();
    tell_notes();
    if (!current_) return Checked::done;
    // It has taken the place of one that is to be read before.
    if (!retired_.empty() && !retired_.back().file) return Checked::more;
  }
  switch (current_->read(kBytesACheck, options_.on_line)) {
    case OpenFile::Read::stopped: return Checked::stopped;
    case OpenFile::Read::truncated: return begin_anew(*current_);
    case OpenFile::Read::some: return Checked::more;
    case OpenFile::Read::nothing: break;
  }
  return is_rotated() ? retire_current(now) : Checked::done;
}

/// What was read is not in the file any more.
FollowedFile::Checked FollowedFile::begin_anew(OpenFile& file) {
  const std::int64_t read = file.offset();
  if (file.finish_line(options_.on_line) == OpenFile::Told::refused) return Checked::stopped;
  file.rewind();
  note("tail.truncated", {{"read", read}});
  return Checked::more;
}

bool FollowedFile::is_rotated() const {
  const std::optional<FileIdentity> named = identity_of(options_.path);
  // Renamed, and no new one made yet: until then it is read.
  return named ? *named != current_->identity() : current_->is_deleted();
}

FollowedFile::Checked FollowedFile::retire_current(Time now) {
  while (retired_.size() >= kRetiredMax) {
    Retired& oldest = retired_.front();
    if (oldest.failure.empty()) {
      if (oldest.file->finish_line(options_.on_line) == OpenFile::Told::refused) {
        return Checked::stopped;
      }
      give_up(oldest, "too many rotated files; " + std::to_string(kRetiredMax) +
                          " are read until they have been silent for rotate_wait");
    } else {
      give_up(oldest, oldest.failure);
    }
    retired_.pop_front();
  }
  retired_.push_back(
      {.file = std::move(current_), .silent_since = now, .failure = std::exchange(failure_, {})});
  current_.reset();
  note("tail.rotated", nlohmann::json::object());
  return Checked::more;
}

/// A line may wait for long. What the path names meanwhile is opened, so that it can be read then,
/// whatever it is called. Nothing is told of before that line.
void FollowedFile::look_for_rotation(Time now) {
  try {
    if (retired_.size() >= kRetiredMax) return;
    if (current_ && is_rotated()) (void)retire_current(now);
    if (!current_) open_current();
  } catch (const std::exception&) {
    // The check that reads it will meet it again, and tell.
  }
}

void FollowedFile::open_current() {
  const bool is_first_look = !was_looked_for_;
  std::optional<OpenFile> file = OpenFile::open(options_.path, options_.line_bytes_max);
  const bool had_one = position_ && position_->identity != FileIdentity{};
  if (!file) {
    was_looked_for_ = true;
    if (had_one && is_first_look) open_renamed();
    return;
  }
  const bool goes_on =
      had_one && may_be(file->identity(), *position_) && file->go_on_from(*position_);
  const bool is_same = goes_on || (had_one && position_->identity == file->identity());
  if (is_same && !goes_on) {
    note_soon("tail.truncated", {{"read", position_->read}});
  }
  if (!position_ && is_first_look && options_.start == Start::end) file->seek_end();
  if (had_one && !is_same) {
    // Another one has taken its place since.
    retired_.push_back({.wanted = *position_});
    note_soon("tail.rotated", nlohmann::json::object());
  }
  note_soon("tail.opened", {{"offset", file->line_begin()}});
  was_looked_for_ = true;
  position_.reset();
  current_ = std::move(file);
}

/// No file has taken the place of the one that was read: as long as that is so, it is read under
/// the name that it has now. When it cannot be found, the path may come again (a file system that
/// is mounted late); when it names another file, what has become of it is told.
void FollowedFile::open_renamed() {
  const std::optional<std::string> path = find_file(*position_, options_.path);
  if (!path) return;
  std::optional<OpenFile> file = OpenFile::open(*path, options_.line_bytes_max);
  if (!file || !may_be(file->identity(), *position_) || !file->go_on_from(*position_)) return;
  note_soon("tail.opened", {{"offset", file->line_begin()}});
  position_.reset();
  current_ = std::move(file);
}

FollowedFile::Checked FollowedFile::finish() {
  for (auto one = retired_.begin(); one != retired_.end();) {
    if (one->failure.empty()) {
      if (one->file->finish_line(options_.on_line) == OpenFile::Told::refused) {
        return Checked::stopped;
      }
      one = retired_.erase(one);
    } else {
      ++one;
    }
  }
  const bool is_refused =
      current_ && current_->finish_line(options_.on_line) == OpenFile::Told::refused;
  return is_refused ? Checked::stopped : Checked::done;
}

bool FollowedFile::has_failed() const {
  return !failure_.empty() || std::any_of(retired_.begin(), retired_.end(),
                                          [](const Retired& one) { return !one.failure.empty(); });
}

std::optional<FollowedFile::Time> FollowedFile::wait_until() const {
  std::optional<Time> first;
  for (const Retired& one : retired_) {
    const Time time = one.failure.empty() ? one.silent_since + options_.rotate_wait : one.try_at;
    if (!first || time < *first) first = time;
  }
  return first;
}

std::optional<PathPosition> FollowedFile::position() const {
  if (!was_looked_for_ && !position_) return std::nullopt;
  PathPosition out;
  // There was no file: one that is there at the next start is new, and read from its beginning.
  out.current = current_ ? current_->position() : position_.value_or(Position{});
  for (const Retired& one : retired_) {
    out.retired.push_back(one.file ? one.file->position() : one.wanted);
  }
  return out;
}

void FollowedFile::give_up(const Retired& one, const std::string& why) {
  note("tail.lost", {{"read", one.file ? one.file->offset() : one.wanted.read}, {"error", why}});
}

void FollowedFile::note(std::string_view topic, nlohmann::json payload) {
  payload["path"] = options_.path;
  options_.on_note(topic, payload);
}

void FollowedFile::note_soon(std::string topic, nlohmann::json payload) {
  untold_.push_back({.topic = std::move(topic), .payload = std::move(payload)});
}

void FollowedFile::tell_notes() {
  for (Note& one : std::exchange(untold_, {})) note(one.topic, std::move(one.payload));
}

void FollowedFile::note_failure(const std::string& what) {
  if (std::exchange(failure_, what) == what) return;
  note("tail.failed", {{"error", what}});
}

}  // namespace tail
