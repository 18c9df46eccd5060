// Paints generated scenes, both views of each: what training/scenes/render.py does layer by layer, here pixel by pixel.
//
// One thread: one pixel of one view, through the layers of its scene from back to front. All threads of a block read the
// same layer at a time, and most of them skip it, for it does not reach them. A layer is a row of floats (table.py packs
// them in the order of the structs below); textures are the banks of training/scenes.
//
// Compile-time: THREADS, TILE (texels of a tile, whose first row and column are repeated at the end), BLURS (copies of a
// tile that get blurrier, each twice as much), OUTLINE (texels of a silhouette), SIDES, SPOTS, FOCAL (px), FLOATS (of a layer).
#include "device.cuh"

#define PI 3.14159265358979f
#define RELIEF_STEPS 6

enum Projection { FACING, GROUND, SIDE };
enum Kind { EVERYTHING, BOX, BAR, BLADE, ELLIPSE, POLYGON, FENCE, WHEEL, SILHOUETTE };

struct Window { float top, bottom, left, right; };  // px that the layer can touch; the ends are outside

struct Surface {  // d(x, y) = plane + bump + undulation, px
    float level, centre_x, centre_y, slope_x, slope_y;
    float height, narrow_x, narrow_y;  // narrow: one over the radius
    float wave, wave_x, wave_y, phase;
};

struct Place { float centre_x, centre_y, cos, sin, projection, vanish_x, vanish_y, near, focal; };

struct Outline { float kind, clip, sizes[4], sides[SIDES][3]; };  // a side: cos, sin, offset

struct Texture { float index, scale, cos, sin, offset_u, offset_v; };  // index below 0: none; cos and sin over scale

struct Spot { float kind, half_u, half_v, centre_x, centre_y, strength, softness, share; };  // strength 0: none

struct Material {
    float base[3], matrix[3][3], shade_x, shade_y, relief_shade;
    Texture texture, detail, mirror;
    float detail_contrast, reflection, mirror_share;
    Spot spots[SPOTS];
};

struct Layer {
    Window windows[2];  // of the left and the right view
    Surface surface;
    Place place;
    Outline outline;
    Material material;
};

static_assert(sizeof(Layer) == FLOATS * sizeof(float), "table.py packs another layer");

struct Arguments {
    const float* layers;       // [layers of all scenes, FLOATS]
    const int* first;          // [scenes + 1]: where the layers of each begin
    const float* errors;       // [scenes, 2]: rows of the right view lie offset + tilt * (x - width / 2) px away
    const element* tiles;      // [tiles, TILE + 1, TILE + 1, 4], RGB and nothing
    const element* blurred;    // [tiles, BLURS, TILE + 1, TILE + 1, 4]
    const float* silhouettes;  // [silhouettes, OUTLINE, OUTLINE], texels, negative inside
    float* output;             // [scenes, 2, 4, height, width]: RGB around 0..1, disparity in px
    int height, width;
};

struct Colour { float red, green, blue; };

DEVICE float mixed(float a, float b, float share) { return a + share * (b - a); }
DEVICE float sine(float angle) { return sinpif(angle / PI); }  // sinf keeps room on the stack for angles of 1e5
DEVICE float clamped(float value, float low, float high) { return fminf(fmaxf(value, low), high); }

DEVICE Colour mixed(Colour a, Colour b, float share) {
    return Colour{mixed(a.red, b.red, share), mixed(a.green, b.green, share), mixed(a.blue, b.blue, share)};
}

// ---- surfaces ------------------------------------------------------------------------------------------------------

DEVICE float relief(const Surface& surface, float x, float y) {
    float total = 0.0f;
    if (surface.height != 0.0f) {
        const float across = (x - surface.centre_x) * surface.narrow_x, along = (y - surface.centre_y) * surface.narrow_y;
        const float inside = fmaxf(1.0f - (across * across + along * along), 0.0f);
        total = surface.height * inside * inside;
    }
    if (surface.wave != 0.0f) {
        total += surface.wave * sine(surface.wave_x * x + surface.wave_y * y + surface.phase);
    }
    return total;
}

// Of the plane, without what grows along x.
DEVICE float plane(const Surface& surface, float y) {
    return surface.level - surface.slope_x * surface.centre_x + surface.slope_y * (y - surface.centre_y);
}

// The left column that projects to the right one: x - d(x, y) = x_right.
DEVICE float left_column(const Surface& surface, float x_right, float y) {
    const float stretch = 1.0f / (1.0f - surface.slope_x), start = (x_right + plane(surface, y)) * stretch;
    if (surface.height == 0.0f && surface.wave == 0.0f) return start;
    float x = start;
#pragma unroll 1
    for (int i = 0; i < RELIEF_STEPS; ++i) x = start + relief(surface, x, y) * stretch;
    return x;
}

// ---- outlines: signed distances in px, negative inside ---------------------------------------------------------------

DEVICE float box(float u, float v, float half_u, float half_v, float rounding, float hollow) {
    const float across = fabsf(u) - (half_u - rounding), along = fabsf(v) - (half_v - rounding);
    const float beyond_u = fmaxf(across, 0.0f), beyond_v = fmaxf(along, 0.0f), deepest = fmaxf(across, along);
    const float corner = sqrtf(beyond_u * beyond_u + beyond_v * beyond_v);
    const float distance = rounding != 0.0f ? corner + fminf(deepest, 0.0f) - rounding : deepest;
    return hollow != 0.0f ? fmaxf(distance, -distance - hollow) : distance;
}

DEVICE float bar(float u, float v, float half_length, float half_width, float bend) {
    return fmaxf(fabsf(v - bend * u * u) - half_width, fabsf(u) - half_length);
}

DEVICE float blade(float u, float v, float half_length, float half_width, float bend) {
    const float along = clamped((u / half_length + 1.0f) / 2.0f, 0.0f, 1.0f);
    return bar(u, v, half_length, half_width * (1.0f - along * along), bend);
}

DEVICE float ellipse(float u, float v, float radius_u, float radius_v) {
    const float across = u / radius_u, along = v / radius_v;
    return (sqrtf(across * across + along * along) - 1.0f) * fminf(radius_u, radius_v);
}

DEVICE float polygon(float u, float v, const Outline& outline) {
    float distance = fmaxf(fabsf(u), fabsf(v)) - outline.clip;
    const int count = static_cast<int>(outline.sizes[0]);
#pragma unroll 1
    for (int i = 0; i < count; ++i) {
        const float* side = outline.sides[i];
        distance = fmaxf(distance, side[0] * u + side[1] * v - side[2]);
    }
    return distance;
}

DEVICE float fence(float u, float v, const Outline& outline) {
    const float half_u = outline.sizes[0], half_v = outline.sizes[1], period = outline.sizes[2];
    const float half_width = fabsf(outline.sizes[3]) / 2.0f;
    float bars = fabsf(u - period * rintf(u / period)) - half_width;
    if (outline.sizes[3] > 0.0f) bars = fminf(bars, fabsf(fabsf(v) - half_v * 0.6f) - half_width);  // with rails
    return fmaxf(bars, fmaxf(fabsf(u) - half_u, fabsf(v) - half_v));
}

DEVICE float wheel(float u, float v, float whole, float spokes, float width) {
    const float radius = sqrtf(u * u + v * v), step = 2.0f * PI / spokes, angle = atan2f(v, u);
    const float away = radius * sine(fabsf(angle - step * rintf(angle / step)));
    const float rim = fabsf(radius - whole) - 2.0f * width, spoke = fmaxf(away - width / 2.0f, radius - whole);
    return fminf(fminf(rim, spoke), radius - 3.0f * width);
}

// Between the texels' centres, the border repeated; `place` is -1 to 1 from the first texel to the last.
DEVICE int texel_below(float place, float& share) {
    const float texel = clamped((place + 1.0f) / 2.0f * (OUTLINE - 1), 0.0f, OUTLINE - 1.0f);
    const int below = min(static_cast<int>(texel), OUTLINE - 2);
    share = texel - below;
    return below;
}

DEVICE float silhouette(float u, float v, float index, float size, const float* silhouettes) {
    float across, along;
    const int column = texel_below(u / size, across), row = texel_below(v / size, along);
    const float* texels = silhouettes + (static_cast<long long>(index) * OUTLINE + row) * OUTLINE + column;
    const float upper = mixed(texels[0], texels[1], across), lower = mixed(texels[OUTLINE], texels[OUTLINE + 1], across);
    return fmaxf(mixed(upper, lower, along) * (2.0f * size / OUTLINE), fmaxf(fabsf(u), fabsf(v)) - size);
}

DEVICE float distance(const Outline& outline, float u, float v, const float* silhouettes) {
    const float* sizes = outline.sizes;
    switch (static_cast<int>(outline.kind)) {
        case BOX: return box(u, v, sizes[0], sizes[1], sizes[2], sizes[3]);
        case BAR: return bar(u, v, sizes[0], sizes[1], sizes[2]);
        case BLADE: return blade(u, v, sizes[0], sizes[1], sizes[2]);
        case ELLIPSE: return ellipse(u, v, sizes[0], sizes[1]);
        case POLYGON: return polygon(u, v, outline);
        case FENCE: return fence(u, v, outline);
        case WHEEL: return wheel(u, v, sizes[0], sizes[1], sizes[2]);
        case SILHOUETTE: return silhouette(u, v, sizes[0], sizes[1], silhouettes);
        default: return -1.0f;
    }
}

// ---- textures ------------------------------------------------------------------------------------------------------

// The texel at or before a coordinate that is folded into the tile.
DEVICE int wrapped(float coordinate, float& share) {
    const float turns = coordinate / TILE, texel = (turns - floorf(turns)) * TILE;
    const int below = min(static_cast<int>(texel), TILE - 1);
    share = texel - below;
    return below;
}

DEVICE Colour texel(const element* texels) {
    const uint2 loaded = *reinterpret_cast<const uint2*>(texels);
    float values[4];
    unpack(loaded.x, values);
    unpack(loaded.y, values + 2);
    return Colour{values[0], values[1], values[2]};
}

DEVICE Colour between(const element* tile, float s, float t) {
    float across, along;
    const int column = wrapped(s, across), row = wrapped(t, along);
    const element* upper = tile + 4 * (row * (TILE + 1) + column);
    const element* lower = upper + 4 * (TILE + 1);
    return mixed(mixed(texel(upper), texel(upper + 4), across), mixed(texel(lower), texel(lower + 4), across), along);
}

DEVICE const element* tile_of(const element* tiles, float index) {
    return tiles + static_cast<long long>(index) * ((TILE + 1) * (TILE + 1) * 4);
}

DEVICE Colour sample(const Texture& texture, float u, float v, const element* tiles) {
    const float s = texture.cos * u + texture.sin * v + texture.offset_u;
    const float t = texture.cos * v - texture.sin * u + texture.offset_v;
    return between(tile_of(tiles, texture.index), s, t);
}

// As `sample`, for a surface seen `shrink` times smaller than texel by pixel: blurred accordingly.
DEVICE Colour sample_far(const Texture& texture, float u, float v, float shrink, const Arguments& arguments) {
    const float s = u / texture.scale + texture.offset_u, t = v / texture.scale + texture.offset_v;
    const float level = clamped(log2f(fmaxf(shrink / texture.scale, 1e-3f)), 0.0f, BLURS);
    const int below = min(static_cast<int>(level), BLURS - 1);
    const element* sharper = below == 0 ? tile_of(arguments.tiles, texture.index)
                                        : tile_of(arguments.blurred, texture.index * BLURS + (below - 1));
    const element* blurrier = tile_of(arguments.blurred, texture.index * BLURS + below);
    return mixed(between(sharper, s, t), between(blurrier, s, t), level - below);
}

// ---- materials -----------------------------------------------------------------------------------------------------

struct Point { float x, y, u, v, disparity; };  // left image coordinates, shape coordinates, px

DEVICE float light(const Spot& spot, float x, float y) {
    const float u = x - spot.centre_x, v = y - spot.centre_y;
    const bool is_box = static_cast<int>(spot.kind) == BOX;
    const float away = is_box ? box(u, v, spot.half_u, spot.half_v, 0.0f, 0.0f) : ellipse(u, v, spot.half_u, spot.half_v);
    return spot.strength / (1.0f + expf(away / spot.softness));
}

DEVICE float shading(const Layer& layer, const Point& point) {
    const Material& material = layer.material;
    float shade = 1.0f + material.shade_x * point.u + material.shade_y * point.v;
    if (material.relief_shade != 0.0f) shade += material.relief_shade * relief(layer.surface, point.x, point.y);
#pragma unroll 1
    for (int i = 0; i < SPOTS; ++i) {
        const Spot& spot = material.spots[i];
        if (spot.strength < 0.0f) shade *= 1.0f + light(spot, point.x, point.y);
    }
    return clamped(shade, 0.1f, 2.5f);
}

DEVICE float highlights(const Material& material, const Point& point, bool right) {
    float sum = 0.0f;
#pragma unroll 1
    for (int i = 0; i < SPOTS; ++i) {
        const Spot& spot = material.spots[i];
        const float away = right ? (1.0f - spot.share) * point.disparity : 0.0f;
        if (spot.strength > 0.0f) sum += light(spot, point.x - away, point.y);
    }
    return sum;
}

DEVICE Colour texels(const Layer& layer, const Point& point, const Arguments& arguments) {
    const Place& place = layer.place;
    const Texture& texture = layer.material.texture;
    const int projection = static_cast<int>(place.projection);
    if (projection == FACING) return sample(texture, point.u, point.v, arguments.tiles);
    const float shrink = place.near / fmaxf(point.disparity, 0.5f);
    const float across = projection == GROUND ? point.x - place.vanish_x : point.y - place.vanish_y;
    const float blur = shrink * sqrtf(shrink * place.focal / FOCAL);
    return sample_far(texture, across * shrink, shrink * place.focal, blur, arguments);
}

DEVICE Colour colour(const Layer& layer, const Point& point, bool right, const Arguments& arguments) {
    const Material& material = layer.material;
    const Colour seen = texels(layer, point, arguments);
    float rgb[3];
#pragma unroll
    for (int i = 0; i < 3; ++i) {
        const float* row = material.matrix[i];
        rgb[i] = material.base[i] + row[0] * (seen.red - 0.5f) + row[1] * (seen.green - 0.5f) + row[2] * (seen.blue - 0.5f);
    }
    Colour result = {rgb[0], rgb[1], rgb[2]};
    if (material.detail.index >= 0.0f) {
        const Colour fine = sample(material.detail, point.u, point.v, arguments.tiles);
        result.red += material.detail_contrast * (fine.red - 0.5f);
        result.green += material.detail_contrast * (fine.green - 0.5f);
        result.blue += material.detail_contrast * (fine.blue - 0.5f);
    }
    const float shade = shading(layer, point);
    result = Colour{result.red * shade, result.green * shade, result.blue * shade};
    if (material.mirror.index >= 0.0f) {
        const float away = right ? (1.0f - material.mirror_share) * point.disparity : 0.0f;
        const float u = point.u - layer.place.cos * away, v = point.v + layer.place.sin * away;
        result = mixed(result, sample(material.mirror, u, v, arguments.tiles), material.reflection);
    }
    const float glare = highlights(material, point, right);
    return Colour{result.red + glare, result.green + glare, result.blue + glare};
}

// ---- the painter ---------------------------------------------------------------------------------------------------

DEVICE bool reaches(const Window& window, int x, int y) {
    return x >= window.left && x < window.right && y >= window.top && y < window.bottom;
}

// The point of a layer that a view's pixel shows.
DEVICE Point seen_at(const Layer& layer, float x, float y, bool right) {
    if (right) x = left_column(layer.surface, x, y);
    const Place& place = layer.place;
    const float across = x - place.centre_x, along = y - place.centre_y;
    const float disparity = plane(layer.surface, y) + layer.surface.slope_x * x + relief(layer.surface, x, y);
    return Point{x, y, place.cos * across + place.sin * along, place.cos * along - place.sin * across, disparity};
}

extern "C" __global__ void __launch_bounds__(THREADS) scene_painting(const Arguments arguments) {
    const int height = arguments.height, width = arguments.width;
    const int x = blockIdx.x * THREADS + threadIdx.x, y = blockIdx.y, scene = blockIdx.z / 2, view = blockIdx.z % 2;
    if (x >= width) return;
    const float* error = arguments.errors + 2 * scene;
    const float row = view == 0 ? y : y + error[0] + error[1] * (x - width / 2.0f);
    Colour image = {0.0f, 0.0f, 0.0f};
    float nearest = -1.0f;
#pragma unroll 1
    for (int i = arguments.first[scene]; i < arguments.first[scene + 1]; ++i) {
        const Layer& layer = *reinterpret_cast<const Layer*>(arguments.layers + static_cast<long long>(i) * FLOATS);
        if (!reaches(layer.windows[view], x, y)) continue;
        const Point point = seen_at(layer, x, row, view == 1);
        if (point.disparity <= nearest) continue;
        float cover = 1.0f;
        if (static_cast<int>(layer.outline.kind) != EVERYTHING) {
            cover = clamped(0.5f - distance(layer.outline, point.u, point.v, arguments.silhouettes), 0.0f, 1.0f);
        }
        if (cover == 0.0f) continue;
        image = mixed(image, colour(layer, point, view == 1, arguments), cover);
        if (cover > 0.5f) nearest = point.disparity;
    }
    const long long pixels = static_cast<long long>(height) * width;
    float* output = arguments.output + (2 * scene + view) * 4 * pixels + static_cast<long long>(y) * width + x;
    output[0] = image.red, output[pixels] = image.green, output[2 * pixels] = image.blue, output[3 * pixels] = nearest;
}
