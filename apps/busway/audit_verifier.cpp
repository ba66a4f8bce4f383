#include "audit_verifier.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/escape.hpp"
#include "shared/audit_line.hpp"

namespace busway::app {
namespace {

/// Lines of a file, each with whether it had an end.
class Lines {
 public:
  explicit Lines(std::string path)
      : path_(std::move(path)), file_(std::fopen(path_.c_str(), "re")) {
    if (!file_) fail();
  }

  struct Line {
    std::string text;
    bool ended = false;
    bool too_long = false;  // only its beginning is in the text
  };

  std::optional<Line> next() {
    Line line;
    bool any = false;
    for (;;) {
      if (begin_ == end_) {
        begin_ = 0;
        end_ = std::fread(buffer_.data(), 1, buffer_.size(), file_.get());
        if (end_ == 0 && std::ferror(file_.get()) != 0) fail();
        if (end_ == 0) break;
      }
      any = true;
      const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
      const std::size_t newline = rest.find('\n');
      const std::string_view part = rest.substr(0, newline);
      const std::size_t room = shared::kAuditLineBytesMax - line.text.size();
      line.text += part.substr(0, room);
      line.too_long = line.too_long || part.size() > room;
      begin_ += part.size();
      if (newline == std::string_view::npos) continue;
      ++begin_;
      line.ended = true;
      break;
    }
    if (!any) return std::nullopt;
    return line;
  }

 private:
  [[noreturn]] void fail() const {
    throw std::system_error(errno, std::generic_category(), "cannot read " + quote(path_));
  }

  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::string buffer_ = std::string(1 << 16, '\0');
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

std::uint64_t first_number(const std::string& path) {
  const std::optional<Lines::Line> line = Lines(path).next();
  return line ? shared::read_audit_line(line->text).seq : 0;
}

class Verifier {
 public:
  Verifier(const std::string& known_hash, std::uint64_t from)
      : known_hash_(known_hash), from_(from) {}

  void take_file(const std::string& path) {
    report_.files.push_back({.file = path});
    const std::size_t shown = report_.problems.size();
    const std::uint64_t found = report_.problems_found;
    has_line_ = false;
    Lines lines(path);
    while (const std::optional<Lines::Line> line = lines.next()) take(*line);
    if (has_line_ || report_.problems_found - found < 2) return;
    // Another file that was given by mistake: its lines are not told one by one.
    report_.problems.resize(shown);
    report_.problems_found = found;
    complain("this is no audit log: none of its " + std::to_string(report_.files.back().lines) +
                 " lines is a line of one",
             1);
  }

  AuditReport finish() {
    if (report_.lines == 0) {
      complain("there is no line, so nothing tells of a whole chain");
    }
    return std::move(report_);
  }

 private:
  void take(const Lines::Line& line) {
    AuditFileReport& file = report_.files.back();
    ++file.lines;
    ++report_.lines;
    if (!line.ended && shared::may_be_torn_audit_line(line.text)) {
      has_line_ = true;
      complain("the line is unfinished; the plugin cuts it off when it starts again");
      last_.reset();
      return;
    }
    const shared::AuditLine one =
        line.too_long ? shared::AuditLine{.problem = "this is no line of an audit log: too long"}
                      : shared::read_audit_line(line.text);
    if (one.hash.empty()) {
      complain(one.problem);
      last_.reset();  // nobody knows what it was
      return;
    }
    has_line_ = true;
    if (!one.problem.empty()) complain(one.problem);
    if (last_) check_order(one);
    if (report_.first == 0) check_begin(one);
    if (!last_ && report_.lines == 1 && one.seq == 1 && one.prev != shared::kFirstPrev) {
      complain("the first line of a chain must follow nothing");
    }
    last_ = {.seq = one.seq, .hash = one.hash};
    report_.head = one.hash;
    report_.has_known_hash = report_.has_known_hash || one.hash == known_hash_;
    if (file.first == 0) file.first = one.seq;
    file.last = one.seq;
  }

  void check_begin(const shared::AuditLine& one) {
    report_.first = one.seq;
    if (from_ == 0 || one.seq == from_) return;
    if (one.seq < from_) {
      complain("the chain begins at " + std::to_string(one.seq) + ", before " +
               std::to_string(from_));
      return;
    }
    complain("the chain begins at " + std::to_string(one.seq) + "; " + std::to_string(from_) +
             (one.seq - 1 == from_ ? " is" : " to " + std::to_string(one.seq - 1) + " are") +
             " not here");
  }

  void check_order(const shared::AuditLine& one) {
    const std::uint64_t wanted = last_->seq + 1;
    if (one.seq > wanted) {
      complain("lines are missing: " + std::to_string(wanted) +
               (one.seq - 1 == wanted ? "" : " to " + std::to_string(one.seq - 1)));
    } else if (one.seq < wanted) {
      complain("the line is out of order: " + std::to_string(one.seq) + " after " +
               std::to_string(last_->seq));
    } else if (one.prev != last_->hash) {
      complain(
          "the line does not follow the one before, which is another than when it was "
          "written");
    }
  }

  void complain(std::string what) { complain(std::move(what), report_.files.back().lines); }
  void complain(std::string what, std::uint64_t line) {
    ++report_.problems_found;
    if (report_.problems.size() == kAuditProblemsMax) return;
    report_.problems.push_back(
        {.file = report_.files.back().file, .line = line, .what = std::move(what)});
  }

  const std::string& known_hash_;
  const std::uint64_t from_;
  std::optional<shared::AuditLink> last_;  // unset: nothing to follow
  bool has_line_ = false;                  // of an audit log, be it a damaged one, in this file
  AuditReport report_;
};

}  // namespace

AuditReport verify_audit(const std::vector<std::string>& files, const std::string& known_hash,
                         std::uint64_t from) {
  std::vector<std::pair<std::uint64_t, std::string>> ordered;
  for (const std::string& path : files) {
    const std::uint64_t first = first_number(path);
    // What has no number comes last: a file that was just begun, or one that is no log.
    ordered.emplace_back(first == 0 ? UINT64_MAX : first, path);
  }
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Verifier verifier(known_hash, from);
  for (const auto& [first, path] : ordered) verifier.take_file(path);
  return verifier.finish();
}

}  // namespace busway::app
