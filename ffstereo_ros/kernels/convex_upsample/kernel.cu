// Convex upsampling by 4: softmax over nine logits per full-resolution pixel, weighting the 3x3 quarter-resolution
// disparities around it (zero outside the image), times 4.
//
// One thread: four neighbours in a row, which share one 3x3 window; nine loads of four logits, one store of four floats.
//
// Compile-time: CHANNELS_LAST (logits [B, 4h, 4w, 9], else [B, 9, 4h, 4w]), THREADS.
#include "device.cuh"

#define FACTOR 4
#define NEIGHBOURS 9

struct Arguments {
    const float* disparity;  // [B, h, w], px at quarter resolution
    const element* logits;
    float* output;  // [B, 4h, 4w], px at full resolution
    int batch, height, width;  // of the quarter resolution
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

// Sum of softmax(logits) * values.
DEVICE float weighted(const float (&logits)[NEIGHBOURS], const float (&values)[NEIGHBOURS]) {
    float largest = logits[0];
#pragma unroll
    for (int i = 1; i < NEIGHBOURS; ++i) largest = fmaxf(largest, logits[i]);
    float sum = 0.0f, total = 0.0f;
#pragma unroll
    for (int i = 0; i < NEIGHBOURS; ++i) {
        const float weight = expf(logits[i] - largest);
        total += weight;
        sum += weight * values[i];
    }
    return sum / total;
}

extern "C" __global__ void __launch_bounds__(THREADS) convex_upsample(const Arguments arguments) {
    const int height = arguments.height, width = arguments.width;
    const int x = blockIdx.x * THREADS + threadIdx.x, y = blockIdx.y, batch = blockIdx.z;  // y at full resolution
    if (x >= width) return;
    float values[NEIGHBOURS], logits[4][NEIGHBOURS], results[4];
    load_logits(logits, arguments, batch, y, x);
    const float* disparity = arguments.disparity + static_cast<long long>(batch) * height * width;
#pragma unroll
    for (int i = 0; i < NEIGHBOURS; ++i) {
        const int row = y / FACTOR + i / 3 - 1, column = x + i % 3 - 1;
        const bool inside = row >= 0 && row < height && column >= 0 && column < width;
        values[i] = inside ? FACTOR * disparity[static_cast<long long>(row) * width + column] : 0.0f;
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) results[j] = weighted(logits[j], values);
    const long long row = static_cast<long long>(batch) * FACTOR * height + y;
    float4* output = reinterpret_cast<float4*>(arguments.output + row * FACTOR * width);
    output[x] = float4{results[0], results[1], results[2], results[3]};
}
