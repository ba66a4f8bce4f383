// Counts the allocations of each case after it has warmed up and prints "name<tab>allocations a
// publish". A program of its own: a replaced operator new would slow all others down.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#include "probe/cases.hpp"
#include "probe/iterations.hpp"

namespace {

std::atomic<long> allocations{0};

void* allocate(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  // aligned_alloc wants a multiple of the alignment.
  void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// The array and nothrow forms of the standard library end in these two.
void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

int main() {
  busway::bench::for_each_case([](const std::string& name, const auto& work) {
    for (int i = 0; i < busway::bench::kProbeIterations; ++i) work();
    const long before = allocations.load();
    for (int i = 0; i < busway::bench::kProbeIterations; ++i) work();
    const long made = allocations.load() - before;
    std::printf("%s\t%g\n", name.c_str(),
                static_cast<double>(made) / busway::bench::kProbeIterations);
  });
}
