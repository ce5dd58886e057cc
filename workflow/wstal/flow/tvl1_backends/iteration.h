// The fixed-point iteration of TV-L1: several iterations in one sweep over the rows.
//
// Row y of the flow needs the dual variables of rows y - 1 and y, row y - 1 of these the flow of
// rows y - 1 and y. So an iteration can follow the one before it at a distance of one row, and a
// sweep of k iterations reads the fields from memory once instead of k times: in between, their
// rows stay in the nearest caches.
#pragma once
#include <algorithm>
#include <cstddef>

#include "vectors.h"

namespace {

constexpr int PAD = 16;  // floats before each row; a multiple of every LANES
enum StatePlane { U1, U2, P11, P12, P21, P22, STATE };
enum TermPlane { IX, IY, RHO, INVERSE, TERMS };  // INVERSE: -1 / |gradient|^2

// Fields of one size, one after the other, of rows padded with zeros to the left: a pad is the
// right one of the row above as well.
struct Planes {
    float* first = nullptr;
    ptrdiff_t size = 0, stride = 0;
    float* row(int plane, int y) const { return first + size * plane + stride * y; }
};

struct Iteration {
    static constexpr int MOST = 8;  // iterations in a sweep

    float limit, theta, rate;  // lambda theta, theta, tau / theta
    int width, height;
    const float* inside;  // 1 where a pixel has a right neighbour, else 0

    // `count` iterations of the state `from`, into `to` (which may be `from`). `change` receives
    // the sum of squared changes of the flow in each.
    void sweep(int count, const Planes& from, const Planes& to, const Planes& terms,
               float* change) const {
        V sums[MOST] = {};
        for (int front = 0; front < height + count; front++) {
            for (int k = 0; k < count; k++) {
                const int y = front - k;
                const Planes& source = k ? to : from;
                if (y >= 0 && y < height) update_flow(y, source, to, terms, sums[k]);
                if (y >= 1 && y <= height) update_dual(y - 1, source, to);
            }
        }
        for (int k = 0; k < count; k++) {
            change[k] = 0;
            for (int i = 0; i < LANES; i++) change[k] += sums[k][i];
        }
    }

  private:
    static V difference(const float* p, ptrdiff_t back) { return load(p) - load(p - back); }

    // Thresholding (eq. 15 of the paper) in one clamp, then u = v + theta div p.
    void update_flow(int y, const Planes& from, const Planes& to, const Planes& terms,
                     V& change) const {
        const float *u1 = from.row(U1, y), *u2 = from.row(U2, y);
        const float *p11 = from.row(P11, y), *p12 = from.row(P12, y);
        const float *p21 = from.row(P21, y), *p22 = from.row(P22, y);
        const float *ix = terms.row(IX, y), *iy = terms.row(IY, y);
        const float *rho = terms.row(RHO, y), *inverse = terms.row(INVERSE, y);
        float *new1 = to.row(U1, y), *new2 = to.row(U2, y);
        const V limit = splat(this->limit), theta = splat(this->theta);
        const ptrdiff_t end = width, stride = from.stride;  // held in registers
        V sum = change;
#pragma GCC unroll 2
        for (ptrdiff_t x = 0; x < end; x += LANES) {
            const V a = load(u1 + x), b = load(u2 + x), gx = load(ix + x), gy = load(iy + x);
            const V residual = (load(rho + x) + gx * a) + gy * b;
            const V step = vmin(vmax(residual * load(inverse + x), -limit), limit);
            const V div1 = difference(p11 + x, 1) + difference(p12 + x, stride);
            const V div2 = difference(p21 + x, 1) + difference(p22 + x, stride);
            const V na = (a + step * gx) + theta * div1, nb = (b + step * gy) + theta * div2;
            store(new1 + x, na), store(new2 + x, nb);
            const V da = na - a, db = nb - b;
            sum = (sum + da * da) + db * db;
        }
        change = sum;
    }

    // p = (p + rate grad u) / (1 + rate |grad u|), both flow components at once: one reciprocal
    // serves two denominators. There is no row below the last: its gradient is zero.
    void update_dual(int y, const Planes& from, const Planes& to) const {
        const int below = std::min(y + 1, height - 1);
        const float *u1 = to.row(U1, y), *below1 = to.row(U1, below);
        const float *u2 = to.row(U2, y), *below2 = to.row(U2, below);
        const float *p11 = from.row(P11, y), *p12 = from.row(P12, y);
        const float *p21 = from.row(P21, y), *p22 = from.row(P22, y);
        float *new11 = to.row(P11, y), *new12 = to.row(P12, y);
        float *new21 = to.row(P21, y), *new22 = to.row(P22, y);
        const V rate = splat(this->rate), half = splat(0.5f * this->rate);
        const auto pixels = [&](ptrdiff_t x, V right) {
            const V a = load(u1 + x), b = load(u2 + x);
            const V ax = (load(u1 + x + 1) - a) * right, ay = load(below1 + x) - a;
            const V bx = (load(u2 + x + 1) - b) * right, by = load(below2 + x) - b;
            const V over1 = denominator(ax, ay, rate, half), over2 = denominator(bx, by, rate, half);
            const V both = reciprocal(over1 * over2), scale1 = both * over2, scale2 = both * over1;
            store(new11 + x, (load(p11 + x) + rate * ax) * scale1);
            store(new12 + x, (load(p12 + x) + rate * ay) * scale1);
            store(new21 + x, (load(p21 + x) + rate * bx) * scale2);
            store(new22 + x, (load(p22 + x) + rate * by) * scale2);
        };
        const ptrdiff_t end = width, whole = width - LANES;
        ptrdiff_t x = 0;
        for (; x < whole; x += LANES) pixels(x, splat(1.0f));
        for (; x < end; x += LANES) pixels(x, load(inside + x));
    }

    // 1 + rate sqrt(x^2 + y^2), by the estimate of 1 / sqrt and one Newton step; 1 at zero.
    static V denominator(V x, V y, V rate, V half_rate) {
        const V s = x * x + (y * y + 1e-30f), r = rsqrt_estimate(s), root = s * r;
        return (1.0f + rate * root) + (half_rate * r) * (s - root * root);
    }
};

// Iterations until the next test of the change, if it falls as over the last three: few enough
// that the change stays above `enough` until the last.
class Forecast {
  public:
    void saw(float change) {
        std::copy_backward(last, last + 3, last + 4);
        last[0] = change, seen++;
    }

    float change() const { return last[0]; }

    int iterations(float enough, int most) const {
        if (seen == 0) return 1;
        const int steps = std::min(seen, 4) - 1;
        float rate = FIRST_FALL;
        if (steps) rate = std::min(std::pow(last[0] / last[steps], 1.0f / float(steps)), 1.0f);
        float change = last[0] * rate;
        int count = 1;
        for (; count < most && change > MARGIN * enough; count++) change *= rate;
        return count;
    }

  private:
    static constexpr float FIRST_FALL = 0.3f, MARGIN = 1.05f;  // measured on real clips
    float last[4] = {};
    int seen = 0;
};

}  // namespace
