// Enough of CUDA to run one kernel on a CPU, from the very source that a GPU gets: every CUDA thread is a fiber, blocks run
// one after the other. What it finds beyond wrong numbers: a missing barrier (fibers run forward or backward), a barrier
// that not all threads reach (deadlock), shared memory read before it is written (NaN), and any access outside a buffer
// or outside shared memory (guard pages).
#pragma once
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#define ON_CPU 1
#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __syncthreads() emulator::wait(emulator::block_barrier)
#define __shfl_sync(mask, value, lane) emulator::shuffle(value, lane)
#define threadIdx emulator::current->thread
#define blockIdx emulator::block
#define SHARED_MEMORY(name) unsigned char* name = emulator::shared_memory

inline int max(int a, int b) { return a > b ? a : b; }
inline int min(int a, int b) { return a < b ? a : b; }

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) uint2 {
    unsigned x, y;
};

inline float sinpif(float half_turns) { return static_cast<float>(std::sin(M_PI * half_turns)); }

inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}

namespace emulator {

struct Index {
    unsigned x, y, z;
};

struct Barrier {
    int size = 0, arrived = 0;
    unsigned generation = 0;
};

struct Warp {
    Barrier barrier;
    unsigned values[2][32][6];
};

struct Fiber {
    ucontext_t context;
    Index thread;
    const Barrier* waits_for = nullptr;
    unsigned generation = 0, exchanges = 0;
    bool finished = false;
};

static ucontext_t scheduler;
static Fiber* current = nullptr;
static Index block;
static Barrier block_barrier;
static std::vector<Warp> warps;
static unsigned char* shared_memory = nullptr;

inline void wait(Barrier& barrier) {
    if (++barrier.arrived == barrier.size) {
        barrier.arrived = 0;
        ++barrier.generation;
        return;
    }
    Fiber* self = current;
    self->waits_for = &barrier;
    self->generation = barrier.generation;
    swapcontext(&self->context, &scheduler);
    self->waits_for = nullptr;
}

// All lanes give up to six words and see those of all others. Two buffers: nobody is two exchanges ahead.
inline const unsigned (*exchange(const unsigned* values, int count))[6] {
    Warp& warp = warps[current->thread.x / 32];
    auto& buffer = warp.values[current->exchanges++ % 2];
    std::memcpy(buffer[current->thread.x % 32], values, count * sizeof(unsigned));
    wait(warp.barrier);
    return buffer;
}

inline unsigned shuffle(unsigned value, int lane) { return exchange(&value, 1)[lane][0]; }

// Memory whose last byte (or first, with at_end false) lies beside a page that must not be touched.
inline unsigned char* guarded_memory(size_t size, bool at_end) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), pages = (size + page - 1) / page * page;
    auto* memory = static_cast<unsigned char*>(mmap(nullptr, pages + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(memory + page, pages, PROT_READ | PROT_WRITE);
    return memory + page + (at_end ? pages - size : 0);
}

inline void free_guarded_memory(unsigned char* memory, size_t size) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), pages = (size + page - 1) / page * page;
    auto* start = reinterpret_cast<unsigned char*>(reinterpret_cast<size_t>(memory) / page * page) - page;
    munmap(start, pages + 2 * page);
}

}  // namespace emulator
