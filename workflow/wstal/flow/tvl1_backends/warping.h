// An image and its central differences, read between pixels by cubic interpolation.
#pragma once
#include <algorithm>
#include <cstring>
#include <vector>

#include "resampling.h"
#include "vectors.h"

namespace {

// I, Ix, Iy and a zero side by side, so that four taps of all of them are one load. Taps outside
// the image are zero (cv::remap) or repeat the edge (CUDA texture).
class WarpSource {
  public:
    WarpSource(int w, int h) : packed(size_t(w + 8) * (h + 8) * 4), place(w), fraction(w) {}

    void hold(const Image& image, bool cuda_semantics) {
        W = image.w, H = image.h, cuda = cuda_semantics, step = size_t(W + 8) * 4;
        for (int row = 0; row < H + 8; row++)
            for (int column = 0; column < W + 8; column++) {
                const int x = std::min(std::max(column - 4, 0), W - 1);
                const int y = std::min(std::max(row - 4, 0), H - 1);
                float* o = &packed[step * row + 4 * column];
                o[0] = o[1] = o[2] = o[3] = 0;
                if (!cuda && (x != column - 4 || y != row - 4)) continue;
                const float *r = image.row(y), *below = image.row(std::min(y + 1, H - 1));
                o[0] = r[x];
                o[1] = 0.5f * (r[std::min(x + 1, W - 1)] - r[std::max(x - 1, 0)]);
                o[2] = 0.5f * (below[x] - image.row(std::max(y - 1, 0))[x]);
            }
    }

    // (I, Ix, Iy, 0) at (x + u[x], y + v[x]) for all x of row y, into out [W, 4].
    void read(int y, const float* __restrict u, const float* __restrict v, float* __restrict out) {
        cuda ? read_cuda(y, u, v, out) : read_cpu(y, u, v, out);
    }

  private:
    std::vector<float> packed;
    std::vector<int> place, fraction;
    int W = 0, H = 0;
    bool cuda = false;
    size_t step = 0;

    // Coordinates first, many at a time, then the taps.
    void read_cpu(int y, const float* __restrict u, const float* __restrict v, float* out) {
        int *__restrict p = place.data(), *__restrict f = fraction.data();
        const int stride = int(step);
        const float right = float(W) + 5.0f, bottom = float(H) + 5.0f;
        for (int x = 0; x < W; x++) {
            // All taps are zero from 4 px outside on.
            const float at_x = std::min(std::max(float(x) + u[x], -5.0f), right);
            const float at_y = std::min(std::max(float(y) + v[x], -5.0f), bottom);
            const int ix = int(__builtin_rintf(at_x * FRACTIONS));
            const int iy = int(__builtin_rintf(at_y * FRACTIONS));
            const int left = std::min(std::max((ix >> 5) + 3, 0), W + 4);
            const int top = std::min(std::max((iy >> 5) + 3, 0), H + 4);
            p[x] = top * stride + left * 4;
            f[x] = (ix & 31) << 8 | (iy & 31);
        }
        for (int x = 0; x < W; x++) {
            const V4 across = *reinterpret_cast<const Loose4*>(table.wide[f[x] >> 8]);
            taps(&packed[p[x]], across, table.weight[f[x] & 255], out + 4 * x);
        }
    }

    void read_cuda(int y, const float* u, const float* v, float* out) {
        for (int x = 0; x < W; x++) {
            float a[4], b[4];
            const int left = cubic_cuda(float(x) + u[x], W, a) + 4;
            const int top = cubic_cuda(float(y) + v[x], H, b) + 4;
            V4 across;
            for (int k = 0; k < 16; k++) across[k] = a[k / 4];
            taps(&packed[step * top + 4 * left], across, b, out + 4 * x);
        }
    }

    void taps(const float* at, V4 across, const float* down, float* out) const {
        V4 sum = *reinterpret_cast<const Loose4*>(at) * down[0];
        for (int k = 1; k < 4; k++)
            sum += *reinterpret_cast<const Loose4*>(at + step * k) * down[k];
        sum *= across;
        Quad q[4];
        std::memcpy(q, &sum, sizeof q);
        const Quad all = (q[0] + q[1]) + (q[2] + q[3]);
        std::memcpy(out, &all, sizeof all);
    }
};

}  // namespace
