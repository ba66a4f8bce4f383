#include "busway/detail/text.hpp"

#include <array>
#include <new>

#include "busway/limits.hpp"

namespace busway::detail {
namespace {

// Open addressing without removal: a slot is written once, so a reader needs one acquire load.
// Half of the slots stay free. A text whose neighbourhood is crowded (hashes are not secret, so
// somebody may crowd it on purpose) is counted instead: no lookup takes more than kProbesMax steps.
constexpr std::size_t kSlots = 2 * limits::kInternedTexts;
constexpr std::size_t kProbesMax = 64;
static_assert((kSlots & (kSlots - 1)) == 0);

constinit std::array<std::atomic<const TextRep*>, kSlots> slots{};
constinit std::atomic<std::size_t> interned_count{0};

std::atomic<const TextRep*>& slot_at(std::uint64_t hash, std::size_t probe) noexcept {
  return slots[(hash + probe) & (kSlots - 1)];
}

TextRep* make_text(std::string_view text, std::uint64_t hash, std::uint32_t references) {
  void* const memory = ::operator new(sizeof(TextRep) + text.size());
  auto* const rep = new (memory) TextRep{references, static_cast<std::uint32_t>(text.size()), hash};
  if (!text.empty()) std::memcpy(static_cast<void*>(rep + 1), text.data(), text.size());
  return rep;
}

bool is_text(const TextRep* rep, std::string_view text, std::uint64_t hash) noexcept {
  return rep->hash == hash && rep->view() == text;
}

bool reserve_place() noexcept {
  if (interned_count.fetch_add(1, std::memory_order_relaxed) < limits::kInternedTexts) return true;
  interned_count.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

}  // namespace

const TextRep* find_interned(std::string_view text, std::uint64_t hash) noexcept {
  for (std::size_t probe = 0; probe < kProbesMax; ++probe) {
    const TextRep* const rep = slot_at(hash, probe).load(std::memory_order_acquire);
    if (rep == nullptr) return nullptr;
    if (is_text(rep, text, hash)) return rep;
  }
  return nullptr;
}

const TextRep* intern(std::string_view text) {
  const std::uint64_t hash = hash_text(text);
  if (text.size() > kInternedTextBytesMax) return make_text(text, hash, 1);

  if (const TextRep* const known = find_interned(text, hash)) return known;
  TextRep* const fresh = make_text(text, hash, 1);
  if (!reserve_place()) return fresh;

  fresh->references.store(0, std::memory_order_relaxed);
  for (std::size_t probe = 0; probe < kProbesMax; ++probe) {
    std::atomic<const TextRep*>& slot = slot_at(hash, probe);
    const TextRep* rep = slot.load(std::memory_order_acquire);
    if (rep == nullptr && slot.compare_exchange_strong(rep, fresh, std::memory_order_acq_rel)) {
      return fresh;
    }
    if (is_text(rep, text, hash)) {  // another thread was quicker
      interned_count.fetch_sub(1, std::memory_order_relaxed);
      destroy_text(fresh);
      return rep;
    }
  }
  interned_count.fetch_sub(1, std::memory_order_relaxed);
  fresh->references.store(1, std::memory_order_relaxed);
  return fresh;
}

void destroy_text(const TextRep* rep) noexcept {
  auto* const mutable_rep = const_cast<TextRep*>(rep);
  mutable_rep->~TextRep();
  ::operator delete(mutable_rep);
}

}  // namespace busway::detail
