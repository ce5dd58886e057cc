// Images, their resizing, and the weights of cubic interpolation, as OpenCV defines them.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

namespace {

struct Image {  // dense
    int w = 0, h = 0;
    std::vector<float> v;
    Image() = default;
    Image(int w, int h) : w(w), h(h), v(size_t(w) * h) {}
    float* row(int y) { return v.data() + size_t(w) * y; }
    const float* row(int y) const { return v.data() + size_t(w) * y; }
};

// ---- resizing -------------------------------------------------------------------------

struct Tap {
    int a, b;
    float wa, wb;
};

// cv::resize puts pixel centres at k + 1/2, cv::cuda::resize at k.
std::vector<Tap> taps(int from, int to, double ratio, bool cuda) {
    std::vector<Tap> out(to);
    for (int i = 0; i < to; i++) {
        float f = cuda ? float(i) * float(ratio) : float((i + 0.5) * ratio - 0.5);
        int k = int(std::floor(f));
        f -= float(k);
        if (k < 0) k = 0, f = 0;
        if (k >= from - 1) k = from - 1, f = 0;
        out[i] = {k, std::min(k + 1, from - 1), 1.0f - f, f};
    }
    return out;
}

Image resize(const Image& in, int w, int h, double rx, double ry, bool cuda, float gain) {
    const auto tx = taps(in.w, w, rx, cuda), ty = taps(in.h, h, ry, cuda);
    Image out(w, h);
    std::vector<float> rows[2] = {std::vector<float>(w), std::vector<float>(w)};
    int held[2] = {-1, -1};
    for (int y = 0; y < h; y++) {
        const int wanted[2] = {ty[y].a, ty[y].b};
        if (held[1] == wanted[0]) std::swap(rows[0], rows[1]), std::swap(held[0], held[1]);
        for (int k = 0; k < 2; k++) {
            if (held[k] == wanted[k]) continue;
            const float* s = in.row(wanted[k]);
            for (int x = 0; x < w; x++) rows[k][x] = s[tx[x].a] * tx[x].wa + s[tx[x].b] * tx[x].wb;
            held[k] = wanted[k];
        }
        for (int x = 0; x < w; x++)
            out.row(y)[x] = (rows[0][x] * ty[y].wa + rows[1][x] * ty[y].wb) * gain;
    }
    return out;
}

// ---- cubic interpolation --------------------------------------------------------------

constexpr int FRACTIONS = 32;  // cv::remap rounds coordinates to 1/32 px

struct CubicTable {
    float weight[FRACTIONS][4];
    float wide[FRACTIONS][16];  // each weight four times, once per channel
    CubicTable() {
        const float A = -0.75f;
        for (int i = 0; i < FRACTIONS; i++) {
            const float x = float(i) / FRACTIONS;
            float* c = weight[i];
            c[0] = ((A * (x + 1) - 5 * A) * (x + 1) + 8 * A) * (x + 1) - 4 * A;
            c[1] = ((A + 2) * x - (A + 3)) * x * x + 1;
            c[2] = ((A + 2) * (1 - x) - (A + 3)) * (1 - x) * (1 - x) + 1;
            c[3] = 1.0f - c[0] - c[1] - c[2];
            for (int k = 0; k < 16; k++) wide[i][k] = c[k / 4];
        }
    }
};
const CubicTable table;

// Where to read along one axis: first of four taps and their weights.
inline int cubic_cuda(float at, int size, float* weight) {
    at = std::min(std::max(at, -3.0f), float(size) + 1.0f);  // all taps are the edge beyond
    const int k = int(std::floor(at));
    const float x = at - float(k), y = 1.0f - x;  // A = -1/2
    float c[4] = {((-0.5f * (x + 1) + 2.5f) * (x + 1) - 4.0f) * (x + 1) + 2.0f,
                  x * x * (1.5f * x - 2.5f) + 1.0f, y * y * (1.5f * y - 2.5f) + 1.0f,
                  ((-0.5f * (y + 1) + 2.5f) * (y + 1) - 4.0f) * (y + 1) + 2.0f};
    const float gain = 1.0f / (c[0] + c[1] + c[2] + c[3]);
    for (int i = 0; i < 4; i++) weight[i] = c[i] * gain;
    return k - 1;
}

}  // namespace
