// busway/events/data_event_data.hpp -- a record of a data source was written.
// Layer: event
//
// Model      Payload of data.created, .updated and .deleted. data is the record, or what changed.
// Threads    A plain struct; the builders are [any-thread].
// Ownership  Owns its fields.
// Errors     Reading JSON: fields that are missing keep their default, others must have the right
//            type. Builders throw what the constructor of Event throws.
// Cost       A builder allocates the payload and what its texts need.
// Example    tests/event/events/builders_test.cpp
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "busway/event.hpp"
#include "busway/json.hpp"

namespace busway {

struct DataEventData {
  static constexpr std::string_view type_name = "DataEventData";

  std::string entity{};
  std::string record_id{};
  Json data{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DataEventData, entity, record_id, data)

/// The entity and the operation (created, updated, deleted) become fields of the event too, unless
/// the options name others.
[[nodiscard]] Event data_created(std::string_view entity, std::string_view record_id,
                                 Json data = {}, const EventOptions& options = {});
[[nodiscard]] Event data_updated(std::string_view entity, std::string_view record_id,
                                 Json data = {}, const EventOptions& options = {});
[[nodiscard]] Event data_deleted(std::string_view entity, std::string_view record_id,
                                 const EventOptions& options = {});

}  // namespace busway
