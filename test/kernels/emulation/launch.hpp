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
inline bool run_block(int threads, bool backward) {
    for (int finished = 0; finished < threads;) {
        bool progress = false;
        for (int index = 0; index < threads; ++index) {
            Fiber& fiber = fibers[backward ? threads - 1 - index : index];
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

inline void on_fault(int signal, siginfo_t* info, void*) {
    fault_address = info->si_addr;
    siglongjmp(fault_jump, signal);
}

constexpr int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};  // the last two: the compiler's own checks

inline const char* run_grid(const unsigned* grid, int threads, size_t shared_bytes, bool backward) {
    for (block.z = 0; block.z < grid[2]; ++block.z)
        for (block.y = 0; block.y < grid[1]; ++block.y)
            for (block.x = 0; block.x < grid[0]; ++block.x) {
                std::memset(shared_memory, 0xff, shared_bytes);
                start_block(threads);
                if (!run_block(threads, backward)) return "a barrier was not reached by all threads";
            }
    return nullptr;
}

}  // namespace emulator

extern "C" unsigned char* guarded_alloc(size_t size, int at_end) { return emulator::guarded_memory(size, at_end != 0); }
extern "C" void guarded_free(unsigned char* memory, size_t size) { emulator::free_guarded_memory(memory, size); }
extern "C" size_t arguments_size() { return sizeof(Arguments); }

// Returns null, or what went wrong.
extern "C" const char* launch(const unsigned* grid, int threads, size_t shared_bytes, const void* arguments, int backward) {
    using namespace emulator;
    static char message[256];
    static unsigned char fault_stack[65536];
    const stack_t alternative = {fault_stack, 0, sizeof(fault_stack)};
    stack_t old_stack;
    sigaltstack(&alternative, &old_stack);
    struct sigaction action = {}, old_actions[4];
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int i = 0; i < 4; ++i) sigaction(SIGNALS[i], &action, &old_actions[i]);
    fibers.resize(threads);
    stacks = static_cast<unsigned char*>(mmap(nullptr, threads * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    shared_memory = guarded_memory(shared_bytes, true);
    std::memcpy(static_cast<void*>(&launch_arguments), arguments, sizeof(Arguments));
    const char* result = nullptr;
    const int signal = sigsetjmp(fault_jump, 1);
    if (signal == 0) {
        result = run_grid(grid, threads, shared_bytes, backward != 0);
    } else {
        const bool checked = signal == SIGILL || signal == SIGTRAP;
        const char* what = checked ? "misaligned access, index outside an array, integer overflow or a float that no int can hold"
                                   : "access outside a buffer";
        std::snprintf(message, sizeof(message), "block (%u, %u, %u), thread %u: %s, at %p", block.x, block.y, block.z,
                      current->thread.x, what, fault_address);
        result = message;
    }
    free_guarded_memory(shared_memory, shared_bytes);
    munmap(stacks, threads * STACK);
    for (int i = 0; i < 4; ++i) sigaction(SIGNALS[i], &old_actions[i], nullptr);
    sigaltstack(&old_stack, nullptr);
    return result;
}
