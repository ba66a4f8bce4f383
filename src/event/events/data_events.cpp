// Records, caches, and how well phases do.

#include <string>
#include <utility>

#include "busway/events/cache_hit.hpp"
#include "busway/events/cache_miss.hpp"
#include "busway/events/data_event_data.hpp"
#include "busway/events/quality_alert.hpp"
#include "busway/topics.hpp"
#include "busway/typed_event.hpp"

namespace busway {
namespace {

Event make(std::string_view topic, std::string_view entity, std::string_view record_id, Json data,
           const EventOptions& options) {
  EventOptions stamped = options;
  if (stamped.entity.empty()) stamped.entity = entity;
  if (stamped.operation.empty()) stamped.operation = topic.substr(topic.find('.') + 1);
  return Event(topic,
               typed_payload(DataEventData{.entity = std::string(entity),
                                           .record_id = std::string(record_id),
                                           .data = std::move(data)}),
               stamped);
}

}  // namespace

Event data_created(std::string_view entity, std::string_view record_id, Json data,
                   const EventOptions& options) {
  return make(topics::kDataCreated, entity, record_id, std::move(data), options);
}

Event data_updated(std::string_view entity, std::string_view record_id, Json data,
                   const EventOptions& options) {
  return make(topics::kDataUpdated, entity, record_id, std::move(data), options);
}

Event data_deleted(std::string_view entity, std::string_view record_id,
                   const EventOptions& options) {
  return make(topics::kDataDeleted, entity, record_id, nullptr, options);
}

Event quality_alert(QualityAlert alert, const EventOptions& options) {
  return typed_event(std::move(alert), options);
}

Event cache_hit(std::string_view phase_name, std::string_view cache_key, Json output,
                const EventOptions& options) {
  return typed_event(CacheHit{.phase_name = std::string(phase_name),
                              .cache_key = std::string(cache_key),
                              .output = std::move(output)},
                     options);
}

Event cache_miss(std::string_view phase_name, std::string_view cache_key,
                 const EventOptions& options) {
  return typed_event(
      CacheMiss{.phase_name = std::string(phase_name), .cache_key = std::string(cache_key)},
      options);
}

}  // namespace busway
