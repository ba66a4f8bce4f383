// numbers.hpp -- single numbers that the file remembers, in the table `meta`.
// Layer: store
//
// Model      Each has a sum. What one that is damaged should be can be found in the other tables,
//            by looking at many rows: whoever asks does so.
// Threads    [not-concurrent]: as the connection.
// Ownership  Refers to its connection.
// Errors     Fault.
// Cost       One row.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "database.hpp"

namespace busway::sqlite {

class Numbers {
 public:
  explicit Numbers(Database& database);

  struct Found {
    bool sound = true;  // false: it is there, and does not pass its sum
    std::uint64_t value = 0;
  };
  /// One that is not there is 0.
  [[nodiscard]] Found get(std::string_view name);
  void put(std::string_view name, std::uint64_t value);

  /// The last sequence that was ever given.
  [[nodiscard]] std::uint64_t last_sequence();
  void keep_last_sequence(std::uint64_t sequence) { put(kLastSequence, sequence); }
  /// How many events are there: sequences have no gaps but for those that retention has removed.
  [[nodiscard]] std::uint64_t events();
  /// In the transaction that has removed them, when the last sequence is kept.
  void count_removed(std::uint64_t events, std::uint64_t highest);
  /// Above it retention has removed nothing: who finds a gap there has found damage.
  [[nodiscard]] std::uint64_t removed_to();
  [[nodiscard]] std::uint64_t new_letter();

  /// A sentence for each that is not what the tables say; in one snapshot.
  [[nodiscard]] std::vector<std::string> check();

 private:
  static constexpr std::string_view kLastSequence = "last_sequence";
  static constexpr std::string_view kRemoved = "removed";
  static constexpr std::string_view kRemovedTo = "removed_to";
  static constexpr std::string_view kNextLetter = "next_letter";
  /// The answer of a statement that has one row with one number.
  [[nodiscard]] static std::uint64_t only(Statement& statement);

  Database& database_;
  Statement get_;
  Statement put_;
  Statement last_;
  Statement first_;
};

}  // namespace busway::sqlite
