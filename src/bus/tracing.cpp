// The place of an event in a trace: as W3C Trace Context, level 1, says.
#include <optional>
#include <string_view>

#include "bus/bus_core.hpp"
#include "busway/trace_parent.hpp"

namespace busway::detail {

RareFields* BusCore::trace_fields(const RareFields* rare, const Event* cause,
                                  event_detail::IdGenerator& ids) const {
  // One that is not valid counts as none: the standard wants the trace begun anew.
  if (rare != nullptr && TraceParent::parse(rare->text(RareText::traceparent))) return nullptr;
  std::optional<TraceParent> parent;
  if (cause != nullptr) parent = TraceParent::parse(cause->traceparent());
  if (parent) {
    parent = parent->child(ids.random());
  } else if (options_.trace) {
    parent =
        TraceParent::make({ids.random(), ids.random(), ids.random()}, TraceParent::Sampled::yes);
  } else {
    return nullptr;
  }
  return RareFields::with_traceparent(rare, to_string(*parent));
}

void BusCore::trace(Event& event, const Event* cause, event_detail::IdGenerator& ids) const {
  if (!options_.trace && (cause == nullptr || !EventAccess::has_traceparent(*cause))) return;
  if (RareFields* const made = trace_fields(EventAccess::rare(event), cause, ids)) {
    EventAccess::adopt_rare(event, made);
  }
}

}  // namespace busway::detail
