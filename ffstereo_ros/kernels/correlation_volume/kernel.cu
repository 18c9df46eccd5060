// Group-wise correlation over all disparities, and in the same pass either the concatenation of two projected feature
// maps or the first 1x1x1 convolution over both, so that the wide volume is never written.
//
// One block: TILE_X columns of one image row, TILE_D disparities. Per group, left rows [TILE_X, K] times right rows
// [WINDOW, K] on the tensor cores; of that product only the band x' = x - d is kept, in shared memory as
// [TILE_D][TILE_X][groups]. It leaves together with the two terms as full 16-byte vectors, channels last.
//
// Compile-time: GROUPS, GROUP_CHANNELS (K), GROUPS_AT_ONCE (a part of the padded groups, whole vectors), NORMALIZE, FOLDED,
// TERM_CHANNELS (of each term, 0 without), OUT_PITCH (elements, whole vectors), TILE_X (a multiple of 16), TILE_D, THREADS,
// LOAD_BYTES.
#include "device.cuh"

#define GROUP_WORDS ROUND_UP(CEIL_DIV(GROUP_CHANNELS, PER_WORD), 8)
#define ROW_WORDS (GROUPS_AT_ONCE * GROUP_WORDS + 4)  // 4 modulo 8: the eight rows of a fragment lie in different banks
#define BACK ROUND_UP(TILE_D - 1, 8)                  // how far the right window reaches to the left of the tile
#define WINDOW (BACK + TILE_X)
#define GROUP_VECTORS CEIL_DIV(GROUPS, PER_VECTOR)
#define OUT_VECTORS (OUT_PITCH / PER_VECTOR)
#define HAS_TERMS (TERM_CHANNELS > 0)
#define LOAD_ELEMENTS (LOAD_BYTES / static_cast<int>(sizeof(element)))

static_assert(GROUP_VECTORS * PER_VECTOR % GROUPS_AT_ONCE == 0, "the last part would lie beyond the groups");

struct Arguments {
    const element* left;        // [B, H, W, GROUPS * GROUP_CHANNELS]
    const element* right;       // the same
    const element* left_term;   // [B, H, W, TERM_CHANNELS], or null
    const element* right_term;  // [B, H, W, TERM_CHANNELS], or null
    const element* weight;      // [TERM_CHANNELS, GROUPS] where FOLDED, else null
    element* volume;            // [B, D, H, W, OUT_PITCH]
    int height, width, disparities, disparity_tiles;
};

struct Tile {
    int batch, y, x, d;  // d, x: first of the tile
};

struct Shared {
    word* left;              // [TILE_X][ROW_WORDS]
    word* right;             // [WINDOW][ROW_WORDS], row i is column x - d - BACK + i
    uint4* band;             // [TILE_D][TILE_X][GROUP_VECTORS]
    uint4* left_term;        // [TILE_X][OUT_VECTORS], zeros where the term has no channel
    uint4* right_term;       // [WINDOW][OUT_VECTORS]
    float* inverse_norm;     // [TILE_X + WINDOW][GROUPS_AT_ONCE], left rows first

    DEVICE explicit Shared(unsigned char* memory) {
        left = reinterpret_cast<word*>(memory);
        right = left + TILE_X * ROW_WORDS;
        band = reinterpret_cast<uint4*>(right + WINDOW * ROW_WORDS);
        left_term = band + TILE_D * TILE_X * GROUP_VECTORS;
        right_term = left_term + (HAS_TERMS ? TILE_X * OUT_VECTORS : 0);
        inverse_norm = reinterpret_cast<float*>(right_term + (HAS_TERMS ? WINDOW * OUT_VECTORS : 0));
    }
};

union Chunk {  // one global load
    uint4 sixteen;
    uint2 eight;
    word four;
    element elements[LOAD_ELEMENTS];
};

DEVICE Chunk load_chunk(const element* source) {
    Chunk chunk;
#if LOAD_BYTES == 16
    chunk.sixteen = *reinterpret_cast<const uint4*>(source);
#elif LOAD_BYTES == 8
    chunk.eight = *reinterpret_cast<const uint2*>(source);
#elif LOAD_BYTES == 4
    chunk.four = *reinterpret_cast<const word*>(source);
#else
    chunk.elements[0] = source[0];
#endif
    return chunk;
}

DEVICE void store_chunk(element* target, const Chunk& chunk) {
#if LOAD_BYTES == 16
    *reinterpret_cast<uint4*>(target) = chunk.sixteen;
#elif LOAD_BYTES == 8
    *reinterpret_cast<uint2*>(target) = chunk.eight;
#elif LOAD_BYTES == 4
    *reinterpret_cast<word*>(target) = chunk.four;
#else
    target[0] = chunk.elements[0];
#endif
}

// Features of `rows` columns from column `first` on, groups from `group` on, into rows of ROW_WORDS; zeros outside.
DEVICE void load_features(word* target, const element* image_row, int rows, int first, int width, int group) {
    constexpr int padded = GROUP_WORDS * PER_WORD;  // elements of one group in shared memory
    constexpr int chunks = padded / LOAD_ELEMENTS;
#pragma unroll 4
    for (int index = threadIdx.x; index < rows * GROUPS_AT_ONCE * chunks; index += THREADS) {
        const int channel = index % chunks * LOAD_ELEMENTS;
        const int local = index / chunks % GROUPS_AT_ONCE;
        const int row = index / (chunks * GROUPS_AT_ONCE);
        const int x = first + row;
        Chunk chunk{};
        if (channel < GROUP_CHANNELS && group + local < GROUPS && x >= 0 && x < width) {
            const long long offset = static_cast<long long>(x) * GROUPS + group + local;
            chunk = load_chunk(image_row + offset * GROUP_CHANNELS + channel);
        }
        store_chunk(reinterpret_cast<element*>(target + row * ROW_WORDS) + local * padded + channel, chunk);
    }
}

// A term's columns as output vectors: channels [offset, offset + TERM_CHANNELS) filled, all others zero.
DEVICE void load_term(uint4* target, const element* image_row, int rows, int first, int width, int offset) {
    element* elements = reinterpret_cast<element*>(target);
    for (int index = threadIdx.x; index < rows * OUT_PITCH; index += THREADS) {
        const int channel = index % OUT_PITCH - offset;
        const int x = first + index / OUT_PITCH;
        const bool inside = channel >= 0 && channel < TERM_CHANNELS && x >= 0 && x < width;
        elements[index] = inside ? image_row[static_cast<long long>(x) * TERM_CHANNELS + channel] : element(0);
    }
}

// 1 / max(|v|, 1e-12) of every row and group, the eps of torch.nn.functional.normalize.
DEVICE void invert_norms(const Shared& shared) {
    for (int index = threadIdx.x; index < (TILE_X + WINDOW) * GROUPS_AT_ONCE; index += THREADS) {
        // Left and right rows lie one behind the other.
        const word* vector = shared.left + index / GROUPS_AT_ONCE * ROW_WORDS + index % GROUPS_AT_ONCE * GROUP_WORDS;
        float sum = 0.0f;
#pragma unroll
        for (int i = 0; i < CEIL_DIV(GROUP_CHANNELS, PER_WORD); ++i) {
            float values[PER_WORD];
            unpack(vector[i], values);
            for (int j = 0; j < PER_WORD; ++j) sum += values[j] * values[j];
        }
        shared.inverse_norm[index] = 1.0f / fmaxf(sqrtf(sum), 1e-12f);
    }
}

// Left rows [16, K] of one group times right rows [8, K]; with NORMALIZE scaled to the cosine.
DEVICE void correlate(float (&sum)[4], const Shared& shared, int left_row, int right_row, int group, int g, int t) {
    const word* left = shared.left + left_row * ROW_WORDS + group * GROUP_WORDS;
    const word* right = shared.right + (right_row + g) * ROW_WORDS + group * GROUP_WORDS;
#pragma unroll
    for (int k = 0; k < GROUP_WORDS; k += 8) {
        word a[4];
        load_rows(a, left + k, ROW_WORDS, g, t);
        const word b[2] = {right[k + t], right[k + t + 4]};
        multiply_accumulate(sum, a, b);
    }
#if NORMALIZE
    const float* left_norm = shared.inverse_norm + (left_row + g) * GROUPS_AT_ONCE + group;
    const float* right_norm = shared.inverse_norm + (TILE_X + right_row + 2 * t) * GROUPS_AT_ONCE + group;
    const float upper = left_norm[0], lower = left_norm[8 * GROUPS_AT_ONCE];
    const float even = right_norm[0], odd = right_norm[GROUPS_AT_ONCE];
    sum[0] *= upper * even;
    sum[1] *= upper * odd;
    sum[2] *= lower * even;
    sum[3] *= lower * odd;
#endif
}

// The band of one 16 x 8 piece of the product, vector `vector` of its groups: d = x - x'.
DEVICE void store_band(const Shared& shared, const float (&sums)[PER_VECTOR][4], int left_row, int piece, int vector) {
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const int row = g + i / 2 * 8;
        const int d = BACK + row - 8 * piece - 2 * t - i % 2;
        if (d < 0 || d >= TILE_D) continue;
        float values[PER_VECTOR];
#pragma unroll
        for (int group = 0; group < PER_VECTOR; ++group) values[group] = sums[group][i];
        shared.band[(d * TILE_X + left_row + row) * GROUP_VECTORS + vector] = pack_vector(values);
    }
}

// Correlations of GROUPS_AT_ONCE groups from `first_group` on, for the whole tile, into the band.
DEVICE void correlate_tile(const Shared& shared, int first_group) {
    constexpr int pieces = BACK / 8 + 2;  // of 8 right columns each, beside 16 left ones
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    for (int job = threadIdx.x / 32; job < TILE_X / 16 * pieces; job += THREADS / 32) {
        const int left_row = job / pieces * 16, piece = job % pieces;
#pragma unroll
        for (int vector = 0; vector < CEIL_DIV(GROUPS_AT_ONCE, PER_VECTOR); ++vector) {
            float sums[PER_VECTOR][4] = {};
#pragma unroll
            for (int i = 0; i < PER_VECTOR; ++i) {
                const int group = vector * PER_VECTOR + i;
                if (group < GROUPS_AT_ONCE) correlate(sums[i], shared, left_row, left_row + 8 * piece, group, g, t);
            }
            store_band(shared, sums, left_row, piece, first_group / PER_VECTOR + vector);
        }
    }
}

DEVICE element* output_pixel(const Arguments& arguments, const Tile& tile, int d, int x) {
    const long long plane = static_cast<long long>(tile.batch) * arguments.disparities + tile.d + d;
    return arguments.volume + ((plane * arguments.height + tile.y) * arguments.width + tile.x + x) * OUT_PITCH;
}

DEVICE bool is_inside(const Arguments& arguments, const Tile& tile, int d, int x) {
    return tile.d + d < arguments.disparities && tile.x + x < arguments.width;
}

#if FOLDED

// Weights as fragments. Column 2 t + e of step j is channel 8 t + 2 j + e, so that a lane ends with 8 neighbours.
template <int STEPS>
DEVICE void load_weights(word (&b)[4][STEPS][2], const element* weight, int first_channel) {
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
    for (int index = 0; index < 4 * STEPS * 2; ++index) {
        const int j = index / (2 * STEPS), step = index / 2 % STEPS, half = index % 2;
        const int channel = first_channel + 8 * (g / 2) + 2 * j + g % 2;
        float values[PER_WORD];
#pragma unroll
        for (int i = 0; i < PER_WORD; ++i) {
            const int group = (8 * step + 4 * half + t) * PER_WORD + i;
            const bool inside = channel < TERM_CHANNELS && group < GROUPS;
            values[i] = inside ? to_float(weight[channel * GROUPS + group]) : 0.0f;
        }
        b[j][step][half] = pack(values);
    }
}

// One pixel's 8 channels: the convolved correlations plus both terms.
DEVICE void store_folded(element* pixel, const float (&sums)[8], const uint4* left, const uint4* right, int channel) {
#pragma unroll
    for (int i = 0; i < 8; i += PER_VECTOR) {
        if (channel + i >= OUT_PITCH) return;
        float a[PER_VECTOR], b[PER_VECTOR];
        unpack_vector(left[(channel + i) / PER_VECTOR], a);
        unpack_vector(right[(channel + i) / PER_VECTOR], b);
#pragma unroll
        for (int j = 0; j < PER_VECTOR; ++j) a[j] += b[j] + sums[i + j];
        *reinterpret_cast<uint4*>(pixel + channel + i) = pack_vector(a);
    }
}

// 32 output channels from `first_channel` on: per warp 16 columns of one disparity.
DEVICE void write_channels(const Arguments& arguments, const Tile& tile, const Shared& shared, int first_channel) {
    constexpr int words = GROUP_VECTORS * 4, steps = CEIL_DIV(words, 8);
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    word b[4][steps][2];
    load_weights(b, arguments.weight, first_channel);
    for (int job = threadIdx.x / 32; job < TILE_D * (TILE_X / 16); job += THREADS / 32) {
        const int d = job / (TILE_X / 16), x = job % (TILE_X / 16) * 16;
        const word* band = reinterpret_cast<const word*>(shared.band) + (d * TILE_X + x) * words;
        float sums[4][4] = {};
#pragma unroll
        for (int step = 0; step < steps; ++step) {
            const int k = 8 * step + t;
            word a[4] = {band[g * words + k], band[(g + 8) * words + k], 0, 0};
            if (8 * step + 4 < words) a[2] = band[g * words + k + 4], a[3] = band[(g + 8) * words + k + 4];
            for (int j = 0; j < 4; ++j) multiply_accumulate(sums[j], a, b[j][step]);
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int column = x + g + 8 * half;
            if (!is_inside(arguments, tile, d, column)) continue;
            float channels[8];
            for (int i = 0; i < 8; ++i) channels[i] = sums[i / 2][2 * half + i % 2];
            store_folded(output_pixel(arguments, tile, d, column), channels, shared.left_term + column * OUT_VECTORS,
                         shared.right_term + (column - d + BACK) * OUT_VECTORS, first_channel + 8 * t);
        }
    }
}

DEVICE void write_tile(const Arguments& arguments, const Tile& tile, const Shared& shared) {
    for (int channel = 0; channel < OUT_PITCH; channel += 32) write_channels(arguments, tile, shared, channel);
}

#else

// The three parts have disjoint channels and zeros elsewhere: joined they are their bitwise or.
DEVICE void write_tile(const Arguments& arguments, const Tile& tile, const Shared& shared) {
#pragma unroll 2
    for (int index = threadIdx.x; index < TILE_D * TILE_X * OUT_VECTORS; index += THREADS) {
        const int vector = index % OUT_VECTORS, x = index / OUT_VECTORS % TILE_X, d = index / (OUT_VECTORS * TILE_X);
        if (!is_inside(arguments, tile, d, x)) continue;
        uint4 value{};
        if (vector < GROUP_VECTORS) value = shared.band[(d * TILE_X + x) * GROUP_VECTORS + vector];
#if HAS_TERMS
        value = value | shared.left_term[x * OUT_VECTORS + vector];
        value = value | shared.right_term[(x - d + BACK) * OUT_VECTORS + vector];
#endif
        reinterpret_cast<uint4*>(output_pixel(arguments, tile, d, x))[vector] = value;
    }
}

#endif

// At least two blocks a multiprocessor: up to 128 registers; without the 2, ptxas aims at 64 and spills for some targets.
extern "C" __global__ void __launch_bounds__(THREADS, 2) correlation_volume(const Arguments arguments) {
    SHARED_MEMORY(memory);
    const Shared shared(memory);
    const int z = blockIdx.z;
    const Tile tile = {z / arguments.disparity_tiles, static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.x) * TILE_X,
                       z % arguments.disparity_tiles * TILE_D};
    const int first_right = tile.x - tile.d - BACK, width = arguments.width;
    const long long row = (static_cast<long long>(tile.batch) * arguments.height + tile.y) * width;
    constexpr int channels = GROUPS * GROUP_CHANNELS;
#if HAS_TERMS
    const element* left_term = arguments.left_term + row * TERM_CHANNELS;
    const element* right_term = arguments.right_term + row * TERM_CHANNELS;
    load_term(shared.left_term, left_term, TILE_X, tile.x, width, FOLDED ? 0 : GROUPS);
    load_term(shared.right_term, right_term, WINDOW, first_right, width, FOLDED ? 0 : GROUPS + TERM_CHANNELS);
#endif
    for (int group = 0; group < GROUPS; group += GROUPS_AT_ONCE) {
        if (group > 0) __syncthreads();  // the previous groups have been read
        load_features(shared.left, arguments.left + row * channels, TILE_X, tile.x, width, group);
        load_features(shared.right, arguments.right + row * channels, WINDOW, first_right, width, group);
        __syncthreads();
#if NORMALIZE
        invert_norms(shared);
        __syncthreads();
#endif
        correlate_tile(shared, group);
    }
    __syncthreads();
    write_tile(arguments, tile, shared);
}
