// What device.cuh leaves to the GPU: float16 conversion, and the tensor core's step in the fragment layout of the PTX ISA
// (mma.m16n8k16 and m16n8k8).
#pragma once

#ifdef ELEMENT_FP16
inline float to_float(unsigned short bits) {
    _Float16 half;
    std::memcpy(&half, &bits, 2);
    return static_cast<float>(half);
}

inline unsigned short narrow(float value) {
    const _Float16 half = static_cast<_Float16>(value);
    unsigned short bits;
    std::memcpy(&bits, &half, 2);
    return bits;
}
#endif

#ifndef SOFTWARE_MMA

inline void tensor_core_step(float (&c)[4], const word (&a)[4], const word (&b)[2]) {
    const word mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    const auto lanes = emulator::exchange(mine, 6);
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
        const int row_half = i / 2, column = 2 * t + i % 2;
        double sum = c[i];
        for (int k = 0; k < 8; ++k) {
            float left[PER_WORD], right[PER_WORD];
            unpack(lanes[4 * g + k % 4][2 * (k / 4) + row_half], left);
            unpack(lanes[4 * column + k % 4][4 + k / 4], right);
            for (int j = 0; j < PER_WORD; ++j) sum += static_cast<double>(left[j]) * right[j];
        }
        c[i] = static_cast<float>(sum);
    }
}
#endif
