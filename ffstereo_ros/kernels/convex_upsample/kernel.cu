// Convex upsampling by 4: softmax over nine logits per full-resolution pixel, weighting the 3x3 quarter-resolution
// disparities around it (zero outside the image), times 4. With ONE_SURFACE the pixel belongs to the neighbour that has
// most weight within surface_radius of it, what lies farther from that one takes no part, and outside the image its
// border goes on.
//
// One thread: four neighbours in a row, which share one 3x3 window; nine loads of four logits, one store of four floats.
//
// Compile-time: CHANNELS_LAST (logits [B, 4h, 4w, 9], else [B, 9, 4h, 4w]), ONE_SURFACE, THREADS.
#include "device.cuh"

#define FACTOR 4
#define NEIGHBOURS 9

struct Arguments {
    const float* disparity;  // [B, h, w], px at quarter resolution
    const element* logits;
    float* output;  // [B, 4h, 4w], px at full resolution
    int batch, height, width;  // of the quarter resolution
    float surface_radius;      // px at full resolution
};

// Four consecutive logits; their start is a multiple of four elements.
DEVICE void load_four(float (&values)[4], const element* source) {
    word words[4 / PER_WORD];
#if PER_WORD == 2
    const uint2 loaded = *reinterpret_cast<const uint2*>(source);
    words[0] = loaded.x, words[1] = loaded.y;
#else
    const uint4 loaded = *reinterpret_cast<const uint4*>(source);
    words[0] = loaded.x, words[1] = loaded.y, words[2] = loaded.z, words[3] = loaded.w;
#endif
#pragma unroll
    for (int i = 0; i < 4 / PER_WORD; ++i) unpack(words[i], values + i * PER_WORD);
}

// Nine logits of each of four pixels; `column` is the first one's, counted in full-resolution rows of the whole batch.
DEVICE void load_logits(float (&logits)[4][NEIGHBOURS], const Arguments& arguments, int batch, int y, int x) {
    const long long full_width = FACTOR * static_cast<long long>(arguments.width), full_height = FACTOR * arguments.height;
#if CHANNELS_LAST
    const element* source = arguments.logits + ((batch * full_height + y) * full_width + FACTOR * x) * NEIGHBOURS;
#else
    const element* source = arguments.logits + (batch * NEIGHBOURS * full_height + y) * full_width + FACTOR * x;
#endif
#pragma unroll
    for (int i = 0; i < NEIGHBOURS; ++i) {
        float four[4];
        load_four(four, source + (CHANNELS_LAST ? 4 * i : i * full_height * full_width));
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            if (CHANNELS_LAST) logits[(4 * i + j) / NEIGHBOURS][(4 * i + j) % NEIGHBOURS] = four[j];
            else logits[j][i] = four[j];
        }
    }
}

// The i-th of the 3x3 disparities around a quarter-resolution pixel, in full-resolution px; y is at full resolution.
DEVICE float neighbour(const Arguments& arguments, int batch, int y, int x, int i) {
    const int height = arguments.height, width = arguments.width;
    const int row = y / FACTOR + i / 3 - 1, column = x + i % 3 - 1;
    const int inner_row = min(max(row, 0), height - 1), inner_column = min(max(column, 0), width - 1);
    if (!ONE_SURFACE && (row != inner_row || column != inner_column)) return 0.0f;
    return FACTOR * arguments.disparity[(static_cast<long long>(batch) * height + inner_row) * width + inner_column];
}

// Softmax but for the division by its sum, in place.
DEVICE void exponentials(float (&logits)[NEIGHBOURS]) {
    float largest = logits[0];
#pragma unroll
    for (int i = 1; i < NEIGHBOURS; ++i) largest = fmaxf(largest, logits[i]);
#pragma unroll
    for (int i = 0; i < NEIGHBOURS; ++i) logits[i] = expf(logits[i] - largest);
}

// Weights become zero off the surface that holds most of them, pixel by pixel. The centres take turns in a loop that is
// not unrolled, each loaded once more: 81 comparisons at a time would fill the registers.
DEVICE void keep_one_surface(float (&weights)[4][NEIGHBOURS], const float (&values)[NEIGHBOURS],
                             const Arguments& arguments, int batch, int y, int x) {
    float most[4] = {-1.0f, -1.0f, -1.0f, -1.0f}, chosen[4] = {};
#pragma unroll 1
    for (int i = 0; i < NEIGHBOURS; ++i) {
        const float centre = neighbour(arguments, batch, y, x, i);
        float mass[4] = {};
#pragma unroll
        for (int k = 0; k < NEIGHBOURS; ++k) {
            const bool near = fabsf(values[k] - centre) <= arguments.surface_radius;
#pragma unroll
            for (int j = 0; j < 4; ++j) mass[j] += near ? weights[j][k] : 0.0f;
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            if (mass[j] > most[j]) most[j] = mass[j], chosen[j] = centre;
        }
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
#pragma unroll
        for (int k = 0; k < NEIGHBOURS; ++k) {
            if (!(fabsf(values[k] - chosen[j]) <= arguments.surface_radius)) weights[j][k] = 0.0f;
        }
    }
}

DEVICE float spread(const float (&values)[NEIGHBOURS]) {
    float least = values[0], most = values[0];
#pragma unroll
    for (int i = 1; i < NEIGHBOURS; ++i) least = fminf(least, values[i]), most = fmaxf(most, values[i]);
    return most - least;
}

DEVICE float mean(const float (&weights)[NEIGHBOURS], const float (&values)[NEIGHBOURS]) {
    float sum = 0.0f, total = 0.0f;
#pragma unroll
    for (int i = 0; i < NEIGHBOURS; ++i) {
        total += weights[i];
        sum += weights[i] * values[i];
    }
    return sum / total;
}

extern "C" __global__ void __launch_bounds__(THREADS) convex_upsample(const Arguments arguments) {
    const int height = arguments.height, width = arguments.width;
    const int x = blockIdx.x * THREADS + threadIdx.x, y = blockIdx.y, batch = blockIdx.z;  // y at full resolution
    if (x >= width) return;
    float values[NEIGHBOURS], logits[4][NEIGHBOURS], results[4];
    load_logits(logits, arguments, batch, y, x);
#pragma unroll
    for (int i = 0; i < NEIGHBOURS; ++i) values[i] = neighbour(arguments, batch, y, x, i);
#pragma unroll
    for (int j = 0; j < 4; ++j) exponentials(logits[j]);
    if (ONE_SURFACE && spread(values) > arguments.surface_radius) {
        keep_one_surface(logits, values, arguments, batch, y, x);
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) results[j] = mean(logits[j], values);
    const long long row = static_cast<long long>(batch) * FACTOR * height + y;
    float4* output = reinterpret_cast<float4*>(arguments.output + row * FACTOR * width);
    output[x] = float4{results[0], results[1], results[2], results[3]};
}
