// Adds to a volume, in place, what two image-sized maps contribute to its first 3x3x3 convolution, then LeakyReLU.
//
// One thread: 16 bytes of channels of one column x, DEPTH disparities one after the other.
//
// Compile-time: CHANNELS (elements, whole vectors), DEPTH, THREADS.
#include "device.cuh"

#define VECTORS (CHANNELS / PER_VECTOR)
#define REACH 2  // columns left of the image to which the right map reaches: u = -2 and -1

struct Arguments {
    uint4* volume;       // [B, D, H, W, VECTORS]
    const uint4* left;   // [B, H, W, 3, VECTORS]: for d = 0, between, d = D - 1
    const uint4* right;  // [B, H, REACH + W, 6, VECTORS], column u + REACH, u = x - d: the same three, then for x = W - 1
    int height, width, disparities, disparity_tiles;
    float negative_slope;
};

DEVICE uint4 combine(uint4 volume, uint4 left, uint4 right, float negative_slope) {
    float sum[PER_VECTOR], a[PER_VECTOR], b[PER_VECTOR];
    unpack_vector(volume, sum);
    unpack_vector(left, a);
    unpack_vector(right, b);
#pragma unroll
    for (int i = 0; i < PER_VECTOR; ++i) {
        sum[i] += a[i] + b[i];
        if (sum[i] < 0.0f) sum[i] *= negative_slope;
    }
    return pack_vector(sum);
}

extern "C" __global__ void __launch_bounds__(THREADS) volume_terms(const Arguments arguments) {
    const int index = blockIdx.x * THREADS + threadIdx.x, width = arguments.width, disparities = arguments.disparities;
    const int x = index / VECTORS, vector = index % VECTORS;
    if (x >= width) return;
    const int batch = blockIdx.z / arguments.disparity_tiles, first = blockIdx.z % arguments.disparity_tiles * DEPTH;
    const long long row = static_cast<long long>(batch) * arguments.height + blockIdx.y;
    const uint4* left = arguments.left + (row * width + x) * 3 * VECTORS + vector;
    const uint4* right = arguments.right + row * (REACH + width) * 6 * VECTORS + vector;
    const uint4 left_between = left[VECTORS];
#pragma unroll 4
    for (int d = first; d < min(first + DEPTH, disparities); ++d) {
        const int kind = d == 0 ? 0 : d == disparities - 1 ? 2 : 1;
        const int column = x - d + REACH, right_kind = kind + (x == width - 1 ? 3 : 0);
        const long long plane = (static_cast<long long>(batch) * disparities + d) * arguments.height + blockIdx.y;
        uint4& target = arguments.volume[(plane * width + x) * VECTORS + vector];
        uint4 from_right{};
        if (column >= 0) from_right = right[(static_cast<long long>(column) * 6 + right_kind) * VECTORS];
        target = combine(target, kind == 1 ? left_between : left[kind * VECTORS], from_right, arguments.negative_slope);
    }
}
