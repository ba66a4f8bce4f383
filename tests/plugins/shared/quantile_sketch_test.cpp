#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <vector>

#include "shared/quantile_sketch.hpp"

namespace shared {
namespace {

/// The number of the nearest rank: the first that makes up a share of q, with all before it.
double exact(std::vector<double> numbers, double q) {
  std::sort(numbers.begin(), numbers.end());
  std::size_t rank = 1;
  while (static_cast<double>(rank) / static_cast<double>(numbers.size()) < q) ++rank;
  return numbers[rank - 1];
}

void expect_within_its_error(const QuantileSketch& sketch, const std::vector<double>& numbers) {
  ASSERT_EQ(sketch.count(), numbers.size());
  for (const double q : {0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0}) {
    const double wanted = exact(numbers, q);
    // What the logarithm rounds comes on top.
    EXPECT_LE(std::abs(sketch.quantile(q) - wanted),
              sketch.relative_error() * std::abs(wanted) * (1 + 1e-9))
        << "quantile " << q << " is " << wanted << ", the sketch says " << sketch.quantile(q);
  }
}

template <class Distribution>
std::vector<double> draw(std::size_t count, Distribution distribution) {
  std::mt19937_64 random(42);
  std::vector<double> numbers(count);
  for (double& one : numbers) one = distribution(random);
  return numbers;
}

TEST(QuantileSketch, KeepsItsErrorWhateverTheDistribution) {
  const std::vector<std::vector<double>> streams{
      draw(20'000, std::uniform_real_distribution<>(1, 100)),
      draw(20'000, std::lognormal_distribution<>(3, 2)),
      draw(20'000, std::normal_distribution<>(0, 50)),
      draw(20'000, std::exponential_distribution<>(0.01)),
      std::vector<double>(1'000, 7.5),
      {5},
      {-3, 0, 0, 4},
  };
  for (const std::vector<double>& numbers : streams) {
    QuantileSketch sketch;
    for (const double one : numbers) EXPECT_TRUE(sketch.add(one));
    expect_within_its_error(sketch, numbers);
    EXPECT_EQ(sketch.min(), *std::min_element(numbers.begin(), numbers.end()));
    EXPECT_EQ(sketch.max(), *std::max_element(numbers.begin(), numbers.end()));
  }
}

TEST(QuantileSketch, AShareThatEndsBetweenTwoNumbersIsThatOfTheFirst) {
  for (int percent = 1; percent < 100; ++percent) {
    QuantileSketch sketch;
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(sketch.add(i < percent ? 1 : 1'000));
    EXPECT_NEAR(sketch.quantile(percent / 100.0), 1, 0.02) << percent;
    EXPECT_NEAR(sketch.quantile((percent + 1) / 100.0), 1'000, 20) << percent;
  }
}

TEST(QuantileSketch, StaysAtOnePercentForAnOrdinarySpread) {
  QuantileSketch sketch;
  for (int i = 1; i <= 10'000; ++i) EXPECT_TRUE(sketch.add(1 + i * 0.01));
  EXPECT_NEAR(sketch.relative_error(), 0.01, 1e-12);
}

TEST(QuantileSketch, TakesWiderBinsRatherThanMoreOfThem) {
  QuantileSketch sketch(32);
  std::vector<double> numbers;
  for (int exponent = -290; exponent <= 290; ++exponent) {
    numbers.push_back(std::pow(10.0, exponent));
    numbers.push_back(-std::pow(10.0, exponent));
  }
  for (const double one : numbers) {
    EXPECT_TRUE(sketch.add(one));
    EXPECT_LE(sketch.bins(), 32U);
  }
  EXPECT_GT(sketch.relative_error(), 0.5);
  EXPECT_LT(sketch.relative_error(), 1.0001);
  expect_within_its_error(sketch, numbers);
}

TEST(QuantileSketch, TheFewestBinsThatItTakesHoldAllNumbers) {
  QuantileSketch sketch(0);
  for (const double one : {1e-300, -1e300, 1e300, 5e-324, -5e-324, 0.0, 1.0}) {
    EXPECT_TRUE(sketch.add(one));
    EXPECT_LE(sketch.bins(), QuantileSketch::kBinsMin);
  }
  EXPECT_EQ(sketch.quantile(0), -1e300);
  EXPECT_EQ(sketch.quantile(1), 1e300);
}

TEST(QuantileSketch, RefusesWhatIsNoNumberOfAnyUse) {
  QuantileSketch sketch;
  EXPECT_FALSE(sketch.add(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_FALSE(sketch.add(std::numeric_limits<double>::infinity()));
  EXPECT_FALSE(sketch.add(-1e301));
  EXPECT_EQ(sketch.count(), 0U);
  EXPECT_EQ(sketch.quantile(0.5), 0);
  EXPECT_EQ(sketch.mean(), 0);
}

TEST(QuantileSketch, TheMeanOfLargeNumbersIsANumber) {
  QuantileSketch sketch;
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(sketch.add(1e300));
  EXPECT_DOUBLE_EQ(sketch.mean(), 1e300);
}

TEST(QuantileSketch, TwoThatAreMergedAreAsOneThatWasGivenAll) {
  const std::vector<double> narrow = draw(3'000, std::uniform_real_distribution<>(10, 20));
  const std::vector<double> wide = draw(3'000, std::lognormal_distribution<>(0, 4));
  QuantileSketch a(64);
  QuantileSketch b(64);
  QuantileSketch whole(64);
  for (const double one : narrow) {
    EXPECT_TRUE(a.add(one));
    EXPECT_TRUE(whole.add(one));
  }
  for (const double one : wide) {
    EXPECT_TRUE(b.add(one));
    EXPECT_TRUE(whole.add(one));
  }
  std::vector<double> all = narrow;
  all.insert(all.end(), wide.begin(), wide.end());
  for (const bool wide_first : {false, true}) {
    QuantileSketch merged = wide_first ? b : a;
    merged.merge(wide_first ? a : b);
    expect_within_its_error(merged, all);
    EXPECT_EQ(merged.relative_error(), whole.relative_error());
    EXPECT_LE(merged.bins(), 64U);
    for (const double q : {0.1, 0.5, 0.9}) EXPECT_EQ(merged.quantile(q), whole.quantile(q));
  }
}

TEST(QuantileSketch, ComesBackAsItWasSaved) {
  QuantileSketch sketch(64);
  const std::vector<double> numbers = draw(5'000, std::normal_distribution<>(3, 90));
  for (const double one : numbers) EXPECT_TRUE(sketch.add(one));
  QuantileSketch again = QuantileSketch::load(nlohmann::json::parse(sketch.save().dump()), 64);
  expect_within_its_error(again, numbers);
  EXPECT_DOUBLE_EQ(again.mean(), sketch.mean());
  EXPECT_TRUE(again.add(1));
  EXPECT_TRUE(sketch.add(1));
  EXPECT_EQ(again.save().at("above"), sketch.save().at("above"));
}

TEST(QuantileSketch, RefusesAStateThatNobodyHasSaved) {
  const nlohmann::json good = QuantileSketch().save();
  EXPECT_NO_THROW((void)QuantileSketch::load(good));
  const auto with = [&](const char* key, const nlohmann::json& value) {
    nlohmann::json bad = good;
    bad[key] = value;
    return bad;
  };
  EXPECT_THROW((void)QuantileSketch::load(with("log_base", -1)), std::invalid_argument);
  EXPECT_THROW((void)QuantileSketch::load(with("level", 99)), std::invalid_argument);
  EXPECT_THROW((void)QuantileSketch::load(with("min", 5)), std::invalid_argument);
  EXPECT_THROW((void)QuantileSketch::load(with("above", "x")), nlohmann::json::exception);
  EXPECT_THROW((void)QuantileSketch::load(nlohmann::json::object()), nlohmann::json::exception);
}

}  // namespace
}  // namespace shared
