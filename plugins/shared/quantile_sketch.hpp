// shared/quantile_sketch.hpp -- quantiles of many numbers, in bounded memory with a known error.
//
// Model      Counts the numbers in bins whose width grows with the number: bin i holds those from
//            g^(i-1) to g^i, and what is in a bin is taken for a number in its middle. So a
//            quantile is off by at most relative_error() of itself, whatever the distribution;
//            numbers below zero have bins of their own, and zero is exact. When there would be more
//            than bins_max bins, each two neighbours become one: the memory stays, and
//            relative_error() is about twice what it was. It begins with `error` and says at each
//            moment what is true. Merging two is as if one had been given all.
//            With 1 % and 256 bins it stays at 1 % while the largest is at most 160 times the
//            smallest, then 2 % up to 28,000 times, then 4 % up to 10^9 times.
// Threads    [not-concurrent]
// Ownership  A value.
// Errors     add() says false to what is no number of a size that can be reckoned with. load()
//            throws what nlohmann-json throws, or std::invalid_argument, for what save() has not
//            written.
// Cost       16 bytes a bin, at most bins_max of them; add(): a logarithm and a binary search.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>
#include <vector>

namespace shared {

class QuantileSketch {
 public:
  static constexpr double kErrorDefault = 0.01;
  static constexpr std::size_t kBinsDefault = 256;
  static constexpr std::size_t kBinsMin = 8;
  /// What is larger, above zero or below, is refused.
  static constexpr double kValueMax = 1e300;

  explicit QuantileSketch(std::size_t bins_max = kBinsDefault, double error = kErrorDefault);

  bool add(double value);
  void merge(const QuantileSketch& other);
  void clear();

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  /// These three are exact; 0 when there is nothing.
  [[nodiscard]] double min() const noexcept { return min_; }
  [[nodiscard]] double max() const noexcept { return max_; }
  [[nodiscard]] double mean() const noexcept;
  /// The number of which a share q, from 0 to 1, is at most as large; that of the nearest rank. The
  /// smallest and the largest are exact. 0 when there is nothing.
  [[nodiscard]] double quantile(double q) const;
  /// By how much of itself a quantile may be off.
  [[nodiscard]] double relative_error() const noexcept;
  [[nodiscard]] std::size_t bins() const noexcept { return above_.size() + below_.size(); }

  [[nodiscard]] nlohmann::json save() const;
  [[nodiscard]] static QuantileSketch load(const nlohmann::json& saved,
                                           std::size_t bins_max = kBinsDefault);

 private:
  struct Bin {
    std::int32_t index = 0;
    std::uint64_t count = 0;
  };
  using Bins = std::vector<Bin>;                  // by index
  static constexpr std::uint32_t kLevelMax = 24;  // all numbers are in two bins long before

  [[nodiscard]] std::uint64_t rank_of(double q) const noexcept;
  [[nodiscard]] std::int32_t index_of(double size) const;
  [[nodiscard]] double middle_of(std::int32_t index) const;
  static void put(Bins& bins, std::int32_t index, std::uint64_t count);
  static void halve(Bins& bins);
  static Bins load_bins(const nlohmann::json& saved);
  void collapse();
  void collapse_to_fit();

  std::size_t bins_max_;
  double log_base_;          // of the logarithm of g before any collapse
  std::uint32_t level_ = 0;  // collapses: g is the first one to the power of 2^level
  Bins above_;               // of numbers above zero
  Bins below_;               // of the sizes of numbers below zero
  std::uint64_t zeros_ = 0;
  std::uint64_t count_ = 0;
  long double sum_ = 0;
  double min_ = 0;
  double max_ = 0;
};

inline QuantileSketch::QuantileSketch(std::size_t bins_max, double error)
    : bins_max_(std::max(bins_max, kBinsMin)), log_base_(std::log((1 + error) / (1 - error))) {}

inline bool QuantileSketch::add(double value) {
  if (!(std::abs(value) <= kValueMax)) return false;  // also what is not a number
  if (value > 0) {
    put(above_, index_of(value), 1);
  } else if (value < 0) {
    put(below_, index_of(-value), 1);
  } else {
    ++zeros_;
  }
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  sum_ += static_cast<long double>(value);
  ++count_;
  collapse_to_fit();
  return true;
}

inline void QuantileSketch::merge(const QuantileSketch& other) {
  if (other.count_ == 0) return;
  if (other.log_base_ != log_base_) {
    throw std::invalid_argument("sketches of two errors do not merge");
  }
  QuantileSketch theirs = other;
  while (theirs.level_ < level_) theirs.collapse();
  while (level_ < theirs.level_) collapse();
  for (const Bin& bin : theirs.above_) put(above_, bin.index, bin.count);
  for (const Bin& bin : theirs.below_) put(below_, bin.index, bin.count);
  zeros_ += theirs.zeros_;
  min_ = count_ == 0 ? theirs.min_ : std::min(min_, theirs.min_);
  max_ = count_ == 0 ? theirs.max_ : std::max(max_, theirs.max_);
  sum_ += theirs.sum_;
  count_ += theirs.count_;
  collapse_to_fit();
}

inline void QuantileSketch::clear() {
  level_ = 0;
  above_.clear();
  below_.clear();
  zeros_ = count_ = 0;
  sum_ = 0;
  min_ = max_ = 0;
}

inline double QuantileSketch::mean() const noexcept {
  return count_ == 0 ? 0 : static_cast<double>(sum_ / static_cast<long double>(count_));
}

inline double QuantileSketch::quantile(double q) const {
  if (count_ == 0) return 0;
  const std::uint64_t rank = rank_of(std::clamp(q, 0.0, 1.0));
  if (rank <= 1) return min_;
  if (rank >= count_) return max_;

  const auto within = [this](double value) { return std::clamp(value, min_, max_); };
  std::uint64_t passed = 0;
  for (auto bin = below_.rbegin(); bin != below_.rend(); ++bin) {  // the largest sizes come first
    passed += bin->count;
    if (passed >= rank) return within(-middle_of(bin->index));
  }
  passed += zeros_;
  if (passed >= rank) return 0;
  for (const Bin& bin : above_) {
    passed += bin.count;
    if (passed >= rank) return within(middle_of(bin.index));
  }
  return max_;
}

inline std::uint64_t QuantileSketch::rank_of(double q) const noexcept {
  const auto count = static_cast<double>(count_);
  auto rank = static_cast<std::uint64_t>(std::ceil(q * count));
  // The product is rounded, 0.07 * 100 to more than 7; the quotient 7 / 100 is 0.07.
  if (rank > 0 && static_cast<double>(rank - 1) / count >= q) --rank;
  return rank;
}

inline double QuantileSketch::relative_error() const noexcept {
  return std::tanh(std::ldexp(log_base_, static_cast<int>(level_)) / 2);  // (g - 1) / (g + 1)
}

inline std::int32_t QuantileSketch::index_of(double size) const {
  return static_cast<std::int32_t>(
      std::ceil(std::log(size) / std::ldexp(log_base_, static_cast<int>(level_))));
}

inline double QuantileSketch::middle_of(std::int32_t index) const {
  const double log_g = std::ldexp(log_base_, static_cast<int>(level_));
  return 2 * std::exp((index - 1) * log_g) / (1 + std::exp(-log_g));
}

inline void QuantileSketch::put(Bins& bins, std::int32_t index, std::uint64_t count) {
  const auto place =
      std::lower_bound(bins.begin(), bins.end(), index,
                       [](const Bin& bin, std::int32_t wanted) { return bin.index < wanted; });
  if (place != bins.end() && place->index == index) {
    place->count += count;
  } else {
    bins.insert(place, Bin{index, count});
  }
}

inline void QuantileSketch::halve(Bins& bins) {
  Bins wider;
  for (const Bin& bin : bins) {
    const auto index = static_cast<std::int32_t>((std::int64_t{bin.index} + 1) >> 1);  // rounded up
    if (!wider.empty() && wider.back().index == index) {
      wider.back().count += bin.count;
    } else {
      wider.push_back(Bin{index, bin.count});
    }
  }
  bins = std::move(wider);
}

inline void QuantileSketch::collapse() {
  halve(above_);
  halve(below_);
  ++level_;
}

inline void QuantileSketch::collapse_to_fit() {
  while (bins() > bins_max_) collapse();
}

inline nlohmann::json QuantileSketch::save() const {
  const auto bins_of = [](const Bins& bins) {
    nlohmann::json out = nlohmann::json::array();
    for (const Bin& bin : bins) out.push_back({bin.index, bin.count});
    return out;
  };
  return {{"log_base", log_base_},    {"level", level_}, {"zeros", zeros_},
          {"above", bins_of(above_)}, {"min", min_},     {"max", max_},
          {"below", bins_of(below_)}, {"mean", mean()}};
}

inline QuantileSketch QuantileSketch::load(const nlohmann::json& saved, std::size_t bins_max) {
  QuantileSketch out(bins_max);
  out.log_base_ = saved.at("log_base").get<double>();
  out.level_ = saved.at("level").get<std::uint32_t>();
  if (!(out.log_base_ > 0 && out.log_base_ < 10) || out.level_ > kLevelMax) {
    throw std::invalid_argument("a sketch that nobody has saved");
  }
  out.above_ = load_bins(saved.at("above"));
  out.below_ = load_bins(saved.at("below"));
  out.zeros_ = saved.at("zeros").get<std::uint64_t>();
  out.min_ = saved.at("min").get<double>();
  out.max_ = saved.at("max").get<double>();
  if (!(out.min_ <= out.max_)) throw std::invalid_argument("a sketch whose least is its largest");
  out.count_ = out.zeros_;
  for (const Bin& bin : out.above_) out.count_ += bin.count;
  for (const Bin& bin : out.below_) out.count_ += bin.count;
  out.sum_ = saved.at("mean").get<long double>() * static_cast<long double>(out.count_);
  out.collapse_to_fit();
  return out;
}

inline QuantileSketch::Bins QuantileSketch::load_bins(const nlohmann::json& saved) {
  Bins bins;
  for (const nlohmann::json& one : saved) {
    put(bins, one.at(0).get<std::int32_t>(), one.at(1).get<std::uint64_t>());
  }
  return bins;
}

}  // namespace shared
