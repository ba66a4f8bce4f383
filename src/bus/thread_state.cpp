#include "bus/thread_state.hpp"

#include <functional>
#include <new>
#include <utility>

#include "bus/subscriber_extra.hpp"

namespace busway::detail {

ThreadState::~ThreadState() {
  for (Frame* frame = frames; frame != frames_end; ++frame) frame->~Frame();
}

void ThreadState::make_frames(BusCore& core, std::uint32_t count) {
  static_assert(alignof(Frame) <= alignof(std::max_align_t));
  frames_memory = std::make_unique<std::byte[]>(sizeof(Frame) * count);
  frames = reinterpret_cast<Frame*>(frames_memory.get());
  for (std::uint32_t i = 0; i < count; ++i) ::new (static_cast<void*>(frames + i)) Frame(core);
  top = frames;
  frames_end = frames + count;
}

/// Two slots at least: the event that is being handled keeps its own.
void ThreadState::make_ring(std::size_t shown) {
  const std::size_t slots = std::max<std::size_t>(shown, 2);
  ring_memory = std::make_unique<Event[]>(slots);
  ring = ring_memory.get();
  ring_at = ring;
  ring_end = ring + slots;
  ring_stop = ring_end;
  ring_shown = shown;
}

void ThreadState::clean(Event& slot) {
  if (ring_unclean != 0) --ring_unclean;
  if (!EventAccess::is_plain(slot)) slot = Event();
}

/// At the ring's end, or before a slot that was being handled when the ring last turned.
void ThreadState::turn_ring() {
  if (ring_at == ring_end) {
    ring_at = ring;
    ring_overwrote = ring_overwrote || ring_full;
    ring_full = true;
  }
  // Frames further in write later slots, so the first that has one comes first in the ring as well.
  Event* handled = nullptr;
  bool elsewhere = false;  // a handler reads an event of a ring that was left
  for (Frame* frame = frames; frame != top; ++frame) {
    const Event* event = frame->dispatch.event_if_any();
    if (event == nullptr) continue;
    if (!std::less<>()(event, ring) && std::less<>()(event, ring_end)) {
      if (handled == nullptr) handled = ring + (event - ring);
    } else {
      elsewhere = true;
    }
  }
  if (!elsewhere) old_rings.clear();
  if (handled == nullptr || handled < ring_at) {
    ring_stop = ring_end;
    return;
  }
  ring_stop = handled;
  if (handled != ring_at) return;
  ring_overwrote = ring_lost();
  // A handler published as many events as the ring holds: leave this one to it.
  const auto slots = static_cast<std::size_t>(ring_end - ring);
  auto next = std::make_unique<Event[]>(slots);
  Event* to = next.get();
  for (Event* from = ring_at; from != ring_end; ++from) *to++ = *from;
  for (Event* from = ring; from != ring_at; ++from) *to++ = *from;
  old_rings.push_back(std::exchange(ring_memory, std::move(next)));
  ring = ring_memory.get();
  ring_at = ring;
  ring_end = ring + slots;
  ring_stop = ring_end;
  note_unclean();
}

HeldSubscribers::~HeldSubscribers() {
  for (Subscriber* one : list) release(one);
}

}  // namespace busway::detail
