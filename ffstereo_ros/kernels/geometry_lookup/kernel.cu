// Geometry lookup: samples of the filtered volume and of the all-pairs correlation around the current disparity, at every
// pyramid level, and optionally the first 1x1 convolution (with ReLU) on them, so that the samples never leave the chip.
//
// One block: PIXELS consecutive pixels of the flattened batch. The 2 RADIUS + 1 samples of a level share one interpolation
// weight: 2 RADIUS + 2 taps are read once and neighbours interpolated. Taps of level l are averages of 2^l neighbours,
// made while reading. The samples stand in shared memory as [PIXELS][level][offset][SLOT], a slot being the volume
// channels, then the correlation, then zeros; the convolution's weights are packed in that order.
//
// Compile-time: CHANNELS, PITCH (elements between volume pixels), LOAD_BYTES, RADIUS, LEVELS, PIXELS (a multiple of 16),
// THREADS, CONVOLVED, OUT_PITCH (elements), CORRELATION_FP32.
#include "device.cuh"

#define OFFSETS (2 * RADIUS + 1)
#define SLOT ROUND_UP(CHANNELS + 1, PER_VECTOR)  // elements of one (level, offset): channels, correlation, zeros
#define SLOT_VECTORS (SLOT / PER_VECTOR)
#define SAMPLE_WORDS (LEVELS * OFFSETS * SLOT / PER_WORD)
#define STEPS CEIL_DIV(SAMPLE_WORDS, 8)
#define ROW_WORDS (STEPS * 8 + 4)  // 4 modulo 8: the eight rows of a fragment lie in different banks
#define LOAD_ELEMENTS (LOAD_BYTES / static_cast<int>(sizeof(element)))

#if CORRELATION_FP32
typedef float correlation_element;
#else
typedef element correlation_element;
#endif

struct Arguments {
    const element* volume;                   // [B, D, H, W, PITCH]
    const correlation_element* correlation;  // [B, H, W, right_width]
    const float* disparity;                  // [B, H, W], in pixels of the volume
    const word* weight;                      // where CONVOLVED: [OUT / 16][STEPS][32 lanes][4], see pack_weight
    const float* bias;                       // where CONVOLVED: [OUT], a multiple of 16
    element* output;                         // [B, H, W, OUT_PITCH]
    int pixels, height, width, disparities, right_width;
};

// ---- sampling ------------------------------------------------------------------------------------------------------

// Where the taps of one level begin, and the weight of the upper neighbour.
struct Position {
    int first;
    float weight;

    // Clamped to where all taps are outside anyway, so that any disparity, also NaN, gives a valid integer.
    DEVICE Position(float value, int length) {
        const float lower = -static_cast<float>(RADIUS + 2), upper = static_cast<float>(length + RADIUS + 2);
        const float floored = floorf(fminf(fmaxf(value, lower), upper));
        first = static_cast<int>(floored) - RADIUS;
        weight = value >= lower && value <= upper ? value - floored : value - value;  // 0, or NaN where not finite
    }
};

// Volume channels [channel, channel + PER_VECTOR) of one entry, added to `values`; behind CHANNELS whatever is stored there.
DEVICE void add_channels(float (&values)[PER_VECTOR], const element* entry, int channel) {
#pragma unroll
    for (int i = 0; i < PER_VECTOR; i += LOAD_ELEMENTS) {
        if (channel + i >= CHANNELS) return;
        union {
            uint4 sixteen;
            uint2 eight;
            word four;
            element elements[LOAD_ELEMENTS];
        } chunk;
#if LOAD_BYTES == 16
        chunk.sixteen = *reinterpret_cast<const uint4*>(entry + channel + i);
#elif LOAD_BYTES == 8
        chunk.eight = *reinterpret_cast<const uint2*>(entry + channel + i);
#elif LOAD_BYTES == 4
        chunk.four = *reinterpret_cast<const word*>(entry + channel + i);
#else
        chunk.elements[0] = entry[channel + i];
#endif
#pragma unroll
        for (int j = 0; j < LOAD_ELEMENTS; ++j) values[i + j] += to_float(chunk.elements[j]);
    }
}

// What one thread samples: at one level of one pixel, PER_VECTOR neighbouring entries of the slot.
template <int LEVEL>
struct Sampler {
    static constexpr int width = 1 << LEVEL;  // entries averaged into a tap
    const element* volume;                    // of this pixel, at disparity 0
    const correlation_element* correlation;   // of this pixel, at right column 0
    const int plane, length, right_length;
    const int channel;            // the first of the entries
    const int correlation_entry;  // which of them is the correlation; PER_VECTOR or more: none
    const Position along, across;

    DEVICE Sampler(const Arguments& arguments, int pixel, int vector)
        : plane(arguments.height * arguments.width),
          length(arguments.disparities >> LEVEL),
          right_length(arguments.right_width >> LEVEL),
          channel(vector * PER_VECTOR),
          correlation_entry(CHANNELS - channel),
          along(arguments.disparity[pixel] / width, length),
          across((pixel % arguments.width - arguments.disparity[pixel]) / width, right_length) {
        const long long first = static_cast<long long>(pixel / plane) * arguments.disparities * plane + pixel % plane;
        volume = arguments.volume + first * PITCH;
        correlation = arguments.correlation + static_cast<long long>(pixel) * arguments.right_width;
    }

    DEVICE void read(float (&values)[PER_VECTOR], int tap) const {
        const int index = along.first + tap, right_index = across.first + tap;
        float matched = 0.0f;
#pragma unroll
        for (int i = 0; i < PER_VECTOR; ++i) values[i] = 0.0f;
#pragma unroll
        for (int i = 0; i < width; ++i) {
            if (index >= 0 && index < length)
                add_channels(values, volume + static_cast<long long>(index * width + i) * plane * PITCH, channel);
            if (correlation_entry < PER_VECTOR && right_index >= 0 && right_index < right_length)
                matched += to_float(correlation[right_index * width + i]);
        }
#pragma unroll
        for (int i = 0; i < PER_VECTOR; ++i) values[i] = (i == correlation_entry ? matched : values[i]) / width;
    }

    // Between two taps; zero behind the correlation, where the volume's padding was read and a weight may be NaN.
    DEVICE uint4 interpolate(const float (&lower)[PER_VECTOR], const float (&upper)[PER_VECTOR]) const {
        float values[PER_VECTOR];
#pragma unroll
        for (int i = 0; i < PER_VECTOR; ++i) {
            const float weight = i == correlation_entry ? across.weight : along.weight;
            values[i] = i > correlation_entry ? 0.0f : lower[i] + weight * (upper[i] - lower[i]);
        }
        return pack_vector(values);
    }
};

template <int LEVEL>
DEVICE void sample(const Arguments& arguments, int pixel, int vector, element* row) {
    const Sampler<LEVEL> sampler(arguments, pixel, vector);
    element* slot = row + LEVEL * OFFSETS * SLOT + sampler.channel;
    float lower[PER_VECTOR], upper[PER_VECTOR];
    sampler.read(lower, 0);
#pragma unroll 3  // three taps in flight: unrolled fully it takes 128 registers and a third block does not fit
    for (int offset = 0; offset < OFFSETS; ++offset) {
        sampler.read(upper, offset + 1);
        *reinterpret_cast<uint4*>(slot + offset * SLOT) = sampler.interpolate(lower, upper);
#pragma unroll
        for (int i = 0; i < PER_VECTOR; ++i) lower[i] = upper[i];
    }
}

template <int LEVEL>
DEVICE void sample_level(const Arguments& arguments, int level, int pixel, int vector, element* row) {
    if (level == LEVEL) sample<LEVEL>(arguments, pixel, vector, row);
    if constexpr (LEVEL + 1 < LEVELS) sample_level<LEVEL + 1>(arguments, level, pixel, vector, row);
}

// All samples of the block's pixels.
DEVICE void sample_pixels(const Arguments& arguments, word* rows, int first_pixel) {
    for (int index = threadIdx.x; index < LEVELS * PIXELS * SLOT_VECTORS; index += THREADS) {
        const int vector = index % SLOT_VECTORS, local = index / SLOT_VECTORS % PIXELS;
        const int level = index / (SLOT_VECTORS * PIXELS);
        if (first_pixel + local >= arguments.pixels) continue;
        element* row = reinterpret_cast<element*>(rows + local * ROW_WORDS);
        sample_level<0>(arguments, level, first_pixel + local, vector, row);
    }
}

// ---- what leaves ---------------------------------------------------------------------------------------------------

#if CONVOLVED

#define ROW_TILES (PIXELS >= 32 ? 2 : 1)  // of 16 pixels that one warp takes together: weights are read once for both

// ReLU(samples * weight + bias): a warp takes ROW_TILES x 16 pixels and 16 channels. Column 2 t + e of step j is channel
// 4 t + 2 j + e, so that a lane ends with 4 neighbours.
DEVICE void convolve(const Arguments& arguments, const word* rows, int first_row, int block, float (&sums)[ROW_TILES][2][4]) {
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const uint4* weight = reinterpret_cast<const uint4*>(arguments.weight) + static_cast<long long>(block) * STEPS * 32 + lane;
#pragma unroll 4
    for (int step = 0; step < STEPS; ++step) {
        const uint4 both = weight[step * 32];
        const word b[2][2] = {{both.x, both.y}, {both.z, both.w}};
#pragma unroll
        for (int tile = 0; tile < ROW_TILES; ++tile) {
            word a[4];
            load_rows(a, rows + (first_row + 16 * tile) * ROW_WORDS + 8 * step, ROW_WORDS, g, t);
            multiply_accumulate(sums[tile][0], a, b[0]);
            multiply_accumulate(sums[tile][1], a, b[1]);
        }
    }
}

DEVICE void store_channels(element* target, const float (&values)[4]) {
#if PER_WORD == 2
    *reinterpret_cast<uint2*>(target) = uint2{pack(values), pack(values + 2)};
#else
    *reinterpret_cast<uint4*>(target) = pack_vector(values);
#endif
}

DEVICE void write_pixels(const Arguments& arguments, const word* rows, int first_pixel) {
    constexpr int groups = PIXELS / (16 * ROW_TILES), blocks = CEIL_DIV(OUT_PITCH, 16);
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    for (int job = threadIdx.x / 32; job < groups * blocks; job += THREADS / 32) {
        const int first_row = job / blocks * 16 * ROW_TILES, block = job % blocks, channel = 16 * block + 4 * t;
        float sums[ROW_TILES][2][4] = {};
        convolve(arguments, rows, first_row, block, sums);
        if (channel >= OUT_PITCH) continue;
#pragma unroll
        for (int half = 0; half < 2 * ROW_TILES; ++half) {
            const int pixel = first_pixel + first_row + 8 * half + g;
            if (pixel >= arguments.pixels) continue;
            float values[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const float value = sums[half / 2][i / 2][2 * (half % 2) + i % 2] + arguments.bias[channel + i];
                values[i] = value > 0.0f || value != value ? value : 0.0f;  // NaN passes, as through torch's ReLU
            }
            store_channels(arguments.output + static_cast<long long>(pixel) * OUT_PITCH + channel, values);
        }
    }
}

#else

// The network's order: per level, per volume channel and then for the correlation, all offsets.
DEVICE void write_pixels(const Arguments& arguments, const word* rows, int first_pixel) {
    constexpr int words = OUT_PITCH / PER_WORD, per_level = (CHANNELS + 1) * OFFSETS;
    for (int index = threadIdx.x; index < PIXELS * words; index += THREADS) {
        const int local = index / words, first = index % words * PER_WORD;
        if (first_pixel + local >= arguments.pixels) continue;
        const element* row = reinterpret_cast<const element*>(rows + local * ROW_WORDS);
        word value = 0;
#pragma unroll
        for (int i = 0; i < PER_WORD; ++i) {
            const int level = (first + i) / per_level, rest = (first + i) % per_level;
            if (level >= LEVELS) continue;
            const element one = row[(level * OFFSETS + rest % OFFSETS) * SLOT + rest / OFFSETS];
            if constexpr (PER_WORD == 1) value = __float_as_uint(to_float(one));
            else value |= static_cast<word>(one) << (16 * i);
        }
        reinterpret_cast<word*>(arguments.output)[static_cast<long long>(first_pixel + local) * words + index % words] = value;
    }
}

#endif

// Zeros for what no sample fills but the convolution reads: rows behind the last pixel, and the rest of the last step.
DEVICE void clear_unused(word* rows, int filled) {
    for (int index = filled * ROW_WORDS + threadIdx.x; index < PIXELS * ROW_WORDS; index += THREADS) rows[index] = 0;
    constexpr int rest = STEPS * 8 - SAMPLE_WORDS;
    for (int index = threadIdx.x; index < filled * rest; index += THREADS)
        rows[index / max(rest, 1) * ROW_WORDS + SAMPLE_WORDS + index % max(rest, 1)] = 0;
}

extern "C" __global__ void __launch_bounds__(THREADS, 3) geometry_lookup(const Arguments arguments) {
    SHARED_MEMORY(memory);
    word* rows = reinterpret_cast<word*>(memory);
    const int first_pixel = blockIdx.x * PIXELS;
    if (CONVOLVED) clear_unused(rows, min(PIXELS, arguments.pixels - first_pixel));
    sample_pixels(arguments, rows, first_pixel);
    __syncthreads();
    write_pixels(arguments, rows, first_pixel);
}
