// Runs KERNEL(Arguments) over a grid; included behind the kernel's source.
#pragma once

namespace emulator {

constexpr size_t STACK = 128 * 1024;
static std::vector<Fiber> fibers;
static unsigned char* stacks = nullptr;
static Arguments launch_arguments;
static sigjmp_buf fault_jump;
static void* fault_address = nullptr;

inline void run_thread() {
    KERNEL(launch_arguments);
    current->finished = true;
    swapcontext(&current->context, &scheduler);
}

inline void start_block(int threads) {
    block_barrier = Barrier{threads};
    warps.assign(threads / 32, Warp{});
    for (Warp& warp : warps) warp.barrier.size = 32;
    for (int i = 0; i < threads; ++i) {
        fibers[i] = Fiber{};
        fibers[i].thread = {static_cast<unsigned>(i), 0, 0};
        getcontext(&fibers[i].context);
        fibers[i].context.uc_stack.ss_sp = stacks + i * STACK;
        fibers[i].context.uc_stack.ss_size = STACK;
        makecontext(&fibers[i].context, run_thread, 0);
    }
}

// False if no thread can go on before all have finished.
inline bool run_block(const std::vector<int>& order) {
    for (size_t finished = 0; finished < order.size();) {
        bool progress = false;
        for (int index : order) {
            Fiber& fiber = fibers[index];
            if (fiber.finished || (fiber.waits_for && fiber.waits_for->generation == fiber.generation)) continue;
            current = &fiber;
            swapcontext(&scheduler, &fiber.context);
            finished += fiber.finished;
            progress = true;
        }
        if (!progress) return false;
    }
    return true;
}

inline void on_fault(int, siginfo_t* info, void*) {
    fault_address = info->si_addr;
    siglongjmp(fault_jump, 1);
}

// 0 forward, 1 backward, else shuffled by that seed.
inline std::vector<int> thread_order(int threads, unsigned seed) {
    std::vector<int> order(threads);
    std::iota(order.begin(), order.end(), 0);
    if (seed == 1) std::reverse(order.begin(), order.end());
    std::mt19937 generator(seed);
    if (seed > 1) std::shuffle(order.begin(), order.end(), generator);
    return order;
}

inline const char* run_grid(const unsigned* grid, int threads, size_t shared_bytes, unsigned seed) {
    const std::vector<int> order = thread_order(threads, seed);
    for (block.z = 0; block.z < grid[2]; ++block.z)
        for (block.y = 0; block.y < grid[1]; ++block.y)
            for (block.x = 0; block.x < grid[0]; ++block.x) {
                std::memset(shared_memory, 0xff, shared_bytes);
                start_block(threads);
                if (!run_block(order)) return "a barrier was not reached by all threads";
            }
    return nullptr;
}

}  // namespace emulator

extern "C" unsigned char* guarded_alloc(size_t size, int at_end) { return emulator::guarded_memory(size, at_end != 0); }
extern "C" void guarded_free(unsigned char* memory, size_t size) { emulator::free_guarded_memory(memory, size); }
extern "C" size_t arguments_size() { return sizeof(Arguments); }

// Returns null, or what went wrong.
extern "C" const char* launch(const unsigned* grid, int threads, size_t shared_bytes, const void* arguments, unsigned seed) {
    using namespace emulator;
    static char message[128];
    static unsigned char fault_stack[65536];
    const stack_t alternative = {fault_stack, 0, sizeof(fault_stack)};
    stack_t old_stack;
    sigaltstack(&alternative, &old_stack);
    struct sigaction action = {}, old_action;
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &old_action);
    fibers.resize(threads);
    stacks = static_cast<unsigned char*>(mmap(nullptr, threads * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    shared_memory = guarded_memory(shared_bytes, true);
    std::memcpy(static_cast<void*>(&launch_arguments), arguments, sizeof(Arguments));
    const char* result = nullptr;
    if (sigsetjmp(fault_jump, 1) == 0) {
        result = run_grid(grid, threads, shared_bytes, seed);
    } else {
        std::snprintf(message, sizeof(message), "block (%u, %u, %u), thread %u: access outside a buffer, at %p", block.x, block.y,
                      block.z, current->thread.x, fault_address);
        result = message;
    }
    free_guarded_memory(shared_memory, shared_bytes);
    munmap(stacks, threads * STACK);
    sigaction(SIGSEGV, &old_action, nullptr);
    sigaltstack(&old_stack, nullptr);
    return result;
}
