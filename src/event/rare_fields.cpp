#include "event/rare_fields.hpp"

#include <cstring>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>

#include "event/text_field.hpp"

namespace busway::detail {

RareFields* RareFields::make(RareValues values) {
  std::size_t size = 0;
  for (const std::string_view text : values.texts) size += text.size();
  if (size == 0 && values.metadata.empty() && values.extensions == nullptr) return nullptr;

  void* const memory = ::operator new(sizeof(RareFields) + size);
  auto* const rare = new (memory) RareFields;
  char* const chars = const_cast<char*>(rare->chars());
  std::size_t end = 0;
  for (std::size_t i = 0; i < kRareTexts; ++i) {
    const std::string_view text = values.texts[i];
    if (!text.empty()) std::memcpy(chars + end, text.data(), text.size());
    end += text.size();
    rare->ends[i] = static_cast<std::uint32_t>(end);
  }
  rare->metadata = std::move(values.metadata);
  rare->extensions = std::move(values.extensions);
  return rare;
}

RareFields* RareFields::make(const EventOptions& options) {
  if (!has_rare(options)) return nullptr;
  RareValues values{.texts = {options.key, options.user_id.text(), options.session_id,
                              options.instance_id, options.schema, options.entity,
                              options.operation, options.correlation_id, options.traceparent},
                    .metadata = options.metadata};
  for (std::size_t i = 0; i < kRareTexts; ++i) {
    require_text_field(kRareTextNames[i], values.texts[i]);
  }
  return make(std::move(values));
}

RareFields* RareFields::with_traceparent(const RareFields* of, std::string_view traceparent) {
  RareValues values;
  if (of != nullptr) {
    for (std::size_t i = 0; i < kRareTexts; ++i) {
      values.texts[i] = of->text(static_cast<RareText>(i));
    }
    values.metadata = of->metadata;
    values.extensions = of->extensions;
  }
  values[RareText::traceparent] = traceparent;
  return make(std::move(values));
}

void destroy_rare(RareFields* rare) noexcept {
  rare->~RareFields();
  ::operator delete(rare);
}

}  // namespace busway::detail
