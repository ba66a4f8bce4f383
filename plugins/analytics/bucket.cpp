#include "bucket.hpp"

#include <array>
#include <cstdio>
#include <utility>

namespace analytics {
namespace {

using nlohmann::json;

WallTime time_of(const json& ns) {
  return WallTime(std::chrono::nanoseconds(ns.get<std::int64_t>()));
}

/// p50, p99.9
std::string name_of(double quantile) {
  std::array<char, 32> text{};
  (void)std::snprintf(text.data(), text.size(), "p%.6g", quantile * 100);
  return text.data();
}

}  // namespace

void Bucket::count(std::string_view topic) {
  ++events_;
  ++row_of(topic).count;
}

void Bucket::measure(const std::string& field, std::string_view topic, const json* value) {
  Row* row = &row_of(topic);
  auto place = row->fields.find(field);
  if (place == row->fields.end()) {
    // Of the others there is at most one sketch a field: fields are configured.
    if (series_ >= limits_.series_max) row = &rows_.try_emplace(std::string(kOther)).first->second;
    const auto [made, is_new] = row->fields.try_emplace(field);
    place = made;
    series_ += is_new ? 1 : 0;
  }
  const bool is_number = value != nullptr && value->is_number();
  if (!is_number || !place->second.numbers.add(value->get<double>())) ++place->second.without;
}

Bucket::Row& Bucket::row_of(std::string_view topic) {
  if (const auto found = rows_.find(topic); found != rows_.end()) return found->second;
  if (rows_.size() >= limits_.topics_max) topic = kOther;
  return rows_.try_emplace(std::string(topic)).first->second;
}

json Bucket::describe(const std::vector<double>& quantiles) const {
  json topics = json::object();
  for (const auto& [topic, row] : rows_) {
    json& out = topics[topic];
    out["count"] = row.count;
    for (const auto& [name, field] : row.fields) {
      json& numbers = out["fields"][name];
      numbers = analytics::describe(field.numbers, quantiles);
      if (field.without > 0) numbers["without"] = field.without;
    }
  }
  return {{"from", shared::format_rfc3339(from_)},
          {"to", shared::format_rfc3339(to_)},
          {"events", events_},
          {"topics", std::move(topics)}};
}

json Bucket::save() const {
  json rows = json::array();
  for (const auto& [topic, row] : rows_) {
    json fields = json::array();
    for (const auto& [name, field] : row.fields) {
      fields.push_back(
          {{"field", name}, {"numbers", field.numbers.save()}, {"without", field.without}});
    }
    rows.push_back({{"topic", topic}, {"count", row.count}, {"fields", std::move(fields)}});
  }
  return {{"from", from_.time_since_epoch().count()},
          {"to", to_.time_since_epoch().count()},
          {"events", events_},
          {"rows", std::move(rows)}};
}

Bucket Bucket::load(const json& saved, const BucketLimits& limits) {
  Bucket out(time_of(saved.at("from")), time_of(saved.at("to")), limits);
  out.events_ = saved.at("events").get<std::uint64_t>();
  for (const json& one : saved.at("rows")) {
    Row row{.count = one.at("count").get<std::uint64_t>()};
    for (const json& saved_field : one.at("fields")) {
      Field field;
      field.numbers = shared::QuantileSketch::load(saved_field.at("numbers"), kBins);
      field.without = saved_field.at("without").get<std::uint64_t>();
      row.fields.insert_or_assign(saved_field.at("field").get<std::string>(), std::move(field));
      ++out.series_;
    }
    out.rows_.insert_or_assign(one.at("topic").get<std::string>(), std::move(row));
  }
  return out;
}

json describe(const shared::QuantileSketch& numbers, const std::vector<double>& quantiles) {
  json out{{"count", numbers.count()}};
  if (numbers.count() == 0) return out;
  out["mean"] = numbers.mean();
  out["min"] = numbers.min();
  out["max"] = numbers.max();
  for (const double quantile : quantiles) out[name_of(quantile)] = numbers.quantile(quantile);
  out["relative_error"] = numbers.relative_error();
  return out;
}

}  // namespace analytics
