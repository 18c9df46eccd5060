// What all kernels share: element types, 16-byte vectors and the 16 x 8 matrix step of one warp. Needs no CUDA header.
//
// One of ELEMENT_FP32, ELEMENT_FP16, ELEMENT_BF16 is defined by whoever compiles. Arithmetic is float32 everywhere.
// A `word` is 32 bits along the channels: one float or two 16-bit elements, the lower one first.
// Under ON_CPU the tests compile the same source and bring what only a GPU has: threads, barriers, shuffles, float16
// conversion and the tensor core's step (test/kernels/emulation).
#pragma once

typedef unsigned int word;

#ifdef ELEMENT_FP32
typedef float element;
#define PER_WORD 1
#else
typedef unsigned short element;
#define PER_WORD 2
#endif
#define PER_VECTOR (4 * PER_WORD)  // elements in 16 bytes

#define DEVICE __device__ __forceinline__
#define CEIL_DIV(a, b) (((a) + (b) - 1) / (b))
#define ROUND_UP(a, b) (CEIL_DIV(a, b) * (b))

#ifndef ON_CPU
#define SHARED_MEMORY(name) extern __shared__ __align__(16) unsigned char name[]
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define SOFTWARE_MMA  // Turing multiplies neither bfloat16 nor TF32 on its tensor cores: shuffles serve all types there
#endif
#endif

// ---- elements ------------------------------------------------------------------------------------------------------

DEVICE float to_float(float value) { return value; }

#ifdef ELEMENT_FP16
DEVICE float to_float(unsigned short bits);
DEVICE unsigned short narrow(float value);
#ifndef ON_CPU
DEVICE float to_float(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

DEVICE unsigned short narrow(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
#endif
#endif

#ifdef ELEMENT_BF16
DEVICE float to_float(unsigned short bits) { return __uint_as_float(static_cast<word>(bits) << 16); }

// Round to nearest even in integers: one code for all architectures and for the CPU; NaN stays NaN.
DEVICE unsigned short narrow(float value) {
    const word bits = __float_as_uint(value);
    if (value != value) return static_cast<unsigned short>(bits >> 16 | 0x40u);
    return static_cast<unsigned short>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
#endif

#ifdef ELEMENT_FP32
DEVICE float narrow(float value) { return value; }
DEVICE word pack(const float* values) { return __float_as_uint(values[0]); }
DEVICE void unpack(word bits, float* values) { values[0] = __uint_as_float(bits); }
#else
DEVICE word pack(const float* values) { return narrow(values[0]) | static_cast<word>(narrow(values[1])) << 16; }
DEVICE void unpack(word bits, float* values) {
    values[0] = to_float(static_cast<unsigned short>(bits & 0xffffu));
    values[1] = to_float(static_cast<unsigned short>(bits >> 16));
}
#endif

// ---- 16-byte vectors -----------------------------------------------------------------------------------------------

DEVICE uint4 pack_vector(const float (&values)[PER_VECTOR]) {
    return uint4{pack(values), pack(values + PER_WORD), pack(values + 2 * PER_WORD), pack(values + 3 * PER_WORD)};
}

DEVICE void unpack_vector(uint4 vector, float (&values)[PER_VECTOR]) {
    unpack(vector.x, values);
    unpack(vector.y, values + PER_WORD);
    unpack(vector.z, values + 2 * PER_WORD);
    unpack(vector.w, values + 3 * PER_WORD);
}

DEVICE uint4 operator|(uint4 a, uint4 b) { return uint4{a.x | b.x, a.y | b.y, a.z | b.z, a.w | b.w}; }

// ---- one warp's matrix step: c[16 x 8] += a[16 x 8 words] * b[8 words x 8] ------------------------------------------
//
// Lane = 4 * g + t. In words along k: a = {(g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4)}, b = {(t, g), (t + 4, g)};
// c = {(g, 2 t), (g, 2 t + 1), (g + 8, 2 t), (g + 8, 2 t + 1)}. This is the layout of mma.m16n8k16 for 16-bit elements
// and of mma.m16n8k8 for TF32 (PTX ISA, "Matrix Fragments for mma"): k is 8 words for every type.

// The words of `a` from 16 rows in shared memory, `pitch` words apart (4 modulo 8, so that the banks differ).
DEVICE void load_rows(word (&a)[4], const word* rows, int pitch, int g, int t) {
    a[0] = rows[g * pitch + t];
    a[1] = rows[(g + 8) * pitch + t];
    a[2] = rows[g * pitch + t + 4];
    a[3] = rows[(g + 8) * pitch + t + 4];
}

#if defined(SOFTWARE_MMA)

DEVICE void multiply_words(float& sum, word a, word b) {
    float left[PER_WORD], right[PER_WORD];
    unpack(a, left);
    unpack(b, right);
#pragma unroll
    for (int i = 0; i < PER_WORD; ++i) sum += left[i] * right[i];
}

DEVICE void multiply_accumulate(float (&c)[4], const word (&a)[4], const word (&b)[2]) {
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
    for (int k = 0; k < 8; ++k) {
        const int half = k / 4;
        const word upper = __shfl_sync(0xffffffffu, a[2 * half], 4 * g + k % 4);
        const word lower = __shfl_sync(0xffffffffu, a[2 * half + 1], 4 * g + k % 4);
        const word first = __shfl_sync(0xffffffffu, b[half], 4 * (2 * t) + k % 4);
        const word second = __shfl_sync(0xffffffffu, b[half], 4 * (2 * t + 1) + k % 4);
        multiply_words(c[0], upper, first);
        multiply_words(c[1], upper, second);
        multiply_words(c[2], lower, first);
        multiply_words(c[3], lower, second);
    }
}

#else

DEVICE void tensor_core_step(float (&c)[4], const word (&a)[4], const word (&b)[2]);

#ifndef ON_CPU
#if defined(ELEMENT_FP16)
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
#elif defined(ELEMENT_BF16)
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"
#else
#define MMA "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"
#endif
DEVICE void tensor_core_step(float (&c)[4], const word (&a)[4], const word (&b)[2]) {
    asm volatile(MMA " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

#ifdef ELEMENT_FP32
// A float as the sum of two TF32 numbers (11 significant bits each): what is left out is below 2^-21 of the value.
template <int N>
DEVICE void split(const word (&value)[N], word (&high)[N], word (&low)[N]) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
        high[i] = (value[i] + 0x1000u) & 0xffffe000u;
        const float rest = __uint_as_float(value[i]) - __uint_as_float(high[i]);
        low[i] = (__float_as_uint(rest) + 0x1000u) & 0xffffe000u;
    }
}

// Float32 out of three TF32 products; one alone would keep 11 bits only.
DEVICE void multiply_accumulate(float (&c)[4], const word (&a)[4], const word (&b)[2]) {
    word a_high[4], a_low[4], b_high[2], b_low[2];
    split(a, a_high, a_low);
    split(b, b_high, b_low);
    tensor_core_step(c, a_low, b_high);
    tensor_core_step(c, a_high, b_low);
    tensor_core_step(c, a_high, b_high);
}
#else
DEVICE void multiply_accumulate(float (&c)[4], const word (&a)[4], const word (&b)[2]) { tensor_core_step(c, a, b); }
#endif

#endif
