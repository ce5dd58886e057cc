// Dual TV-L1 optical flow (Zach, Pock, Bischof 2007), the two definitions of OpenCV.
//
// Where the time goes is the fixed-point iteration, tens of millions of pixel updates per pair.
// One iteration is one sweep over the rows: row y of the flow, then row y-1 of the dual
// variables, whose neighbours are still in the first-level cache. Rows are padded with zeros
// (a whole vector to the left, which is also the right pad of the row above), so that no
// pixel needs a branch. Pairs are independent: threads take one pair at a time.
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "median.h"
#include "resampling.h"
#include "vectors.h"
#include "warping.h"

namespace {

struct Parameters {  // mirrored in tvl1_cpu.py
    double tau, lambda, theta, epsilon, scale_step;
    int nscales, warps, inner, outer, median, cuda;
};

enum Plane { U1, U2, P11, P12, P21, P22, IX, IY, RHO, INVERSE, PLANES };

class Solver {
  public:
    Solver(const Parameters& p, int w, int h) : par(p), source(w, h) {
        const size_t rows = size_t(round_up(w) + PAD) * (h + 1) + 2 * PAD;
        size = rows + 80;  // 5 cache lines: the planes' rows must not share cache sets
        memory.reset(new float[size * PLANES + 16]);
        scratch.resize(size_t(round_up(w) + PAD) * (h + 4) + 4 * PAD);
        line.resize(5 * (round_up(w) + PAD) + PAD);
        inside.resize(round_up(w) + 2 * PAD);
    }

    int64_t solve(const float* f0, const float* f1, int w, int h, float* flow) {
        work = 0;
        std::vector<Image> a = pyramid(f0, w, h), b = pyramid(f1, w, h);
        Image u(a.back().w, a.back().h), v = u;
        for (int s = int(a.size()) - 1;; s--) {
            scale(a[s], b[s], u, v);
            if (s == 0) break;
            const int fw = a[s - 1].w, fh = a[s - 1].h;
            const double rx = 1.0 / (double(fw) / u.w), ry = 1.0 / (double(fh) / u.h);
            const float gain = float(1.0 / par.scale_step);
            u = resize(u, fw, fh, rx, ry, par.cuda, gain);
            v = resize(v, fw, fh, rx, ry, par.cuda, gain);
        }
        for (size_t i = 0; i < u.v.size(); i++) flow[2 * i] = u.v[i], flow[2 * i + 1] = v.v[i];
        return work;
    }

  private:
    const Parameters& par;
    std::unique_ptr<float[]> memory;
    WarpSource source;
    std::vector<float> scratch, line, inside;
    float* plane[PLANES];
    size_t size;
    int W = 0, H = 0, wide = 0, stride = 0;
    int64_t work = 0;

    static int round_up(int w) { return (w + PAD - 1) / PAD * PAD; }

    std::vector<Image> pyramid(const float* frame, int w, int h) const {
        std::vector<Image> out(1, Image(w, h));
        std::copy(frame, frame + size_t(w) * h, out[0].v.begin());
        for (int s = 1; s < par.nscales; s++) {
            const Image& last = out.back();
            const int nw = int(std::lrint(last.w * par.scale_step));
            const int nh = int(std::lrint(last.h * par.scale_step));
            if (nw < 16 || nh < 16) break;
            const double ratio = 1.0 / par.scale_step;
            Image next = resize(last, nw, nh, ratio, ratio, par.cuda, 1.0f);
            out.push_back(std::move(next));
        }
        return out;
    }

    void lay_out(int w, int h) {
        W = w, H = h, wide = round_up(w), stride = wide + PAD;
        const uintptr_t base = (reinterpret_cast<uintptr_t>(memory.get()) + 63) / 64 * 64;
        std::memset(reinterpret_cast<float*>(base), 0, size * PLANES / 16 * 64);
        for (int i = 0; i < PLANES; i++)
            plane[i] = reinterpret_cast<float*>(base) + (size / 16 * 16) * i + stride + PAD;
        // 1 where a pixel has a right neighbour; one to the left of it: 1 where it exists
        std::fill(inside.begin(), inside.end(), 0.0f);
        std::fill(inside.begin(), inside.begin() + PAD + W - 1, 1.0f);
    }

    float* row(Plane p, int y) { return plane[p] + ptrdiff_t(stride) * y; }

    void scale(const Image& i0, const Image& i1, Image& u, Image& v) {
        lay_out(i0.w, i0.h);
        source.hold(i1, par.cuda);
        for (int y = 0; y < H; y++) {
            std::copy(u.row(y), u.row(y) + W, row(U1, y));
            std::copy(v.row(y), v.row(y) + W, row(U2, y));
        }
        for (int n = 0; n < par.warps; n++) {
            warp(i0);
            par.cuda ? iterate_cuda() : iterate_cpu();
        }
        for (int y = 0; y < H; y++) {
            std::copy(row(U1, y), row(U1, y) + W, u.row(y));
            std::copy(row(U2, y), row(U2, y) + W, v.row(y));
        }
    }

    // Both loops end at the first iteration whose squared change is small enough.
    void iterate_cpu() {
        const float enough = float(par.epsilon * par.epsilon * (double(W) * H));
        float error = enough + 1.0f + enough;
        for (int outer = 0; error > enough && outer < par.outer; outer++) {
            if (par.median > 1) median(U1), median(U2);
            for (int inner = 0; error > enough && inner < par.inner; inner++) error = iterate();
        }
    }

    // The change is looked at on odd iterations only, and after each look not until a count
    // that starts at it has been run down by the threshold per iteration.
    void iterate_cuda() {
        const double enough = par.epsilon * par.epsilon * (double(W) * H);
        double count = 0;
        for (int n = 0; n < par.inner; n++) {
            const double error = iterate();
            if (par.epsilon > 0 && (n & 1) && count < enough) {
                if (error <= enough) break;
                count = error;
            } else {
                count -= enough;
            }
        }
    }

    // Warp by the flow: gradient, constant part of the residual, 1 / |gradient|^2.
    void warp(const Image& i0) {
        float* __restrict read = line.data();
        for (int y = 0; y < H; y++) {
            const float *__restrict u = row(U1, y), *__restrict v = row(U2, y);
            const float* __restrict target = i0.row(y);
            float *__restrict gx = row(IX, y), *__restrict gy = row(IY, y);
            float *__restrict rho = row(RHO, y), *__restrict inv = row(INVERSE, y);
            source.read(y, u, v, read);
            for (int x = 0; x < W; x++) {
                const float i = read[4 * x], ix = read[4 * x + 1], iy = read[4 * x + 2];
                gx[x] = ix, gy[x] = iy;
                rho[x] = i - ix * u[x] - iy * v[x] - target[x];
                // Without a gradient the step is 0 whatever this is, as long as it is finite.
                inv[x] = 1.0f / std::max(ix * ix + iy * iy, 1e-20f);
            }
        }
    }

    void median(Plane p) {
        const int r = par.median / 2;
        for (int y = -r; y < H + r; y++) {  // the border repeats the edge
            const float* s = row(p, std::min(std::max(y, 0), H - 1));
            float* d = &scratch[size_t(y + r) * stride + r];
            std::memcpy(d, s, sizeof(float) * W);
            for (int k = 1; k <= r; k++) d[-k] = s[0], d[W - 1 + k] = s[W - 1];
        }
        for (int y = 0; y < H; y++) {
            const float* from = &scratch[size_t(y) * stride];
            r == 2 ? median5(from, row(p, y)) : median3(from, row(p, y));
        }
    }

    // `from` is two rows and two columns before the output; the right pad stays zero.
    void median5(const float* from, float* out) {
        const int wide = this->stride, end = W;  // held in registers
        float* ranks = line.data();  // [5][stride]: the five rows, each column sorted once
        for (int x = 0; x < end + 4; x += LANES) {
            V v[5];
#pragma GCC unroll 5
            for (int i = 0; i < 5; i++) v[i] = load(from + x + wide * i);
            sort5(v);
#pragma GCC unroll 5
            for (int i = 0; i < 5; i++) store(ranks + x + wide * i, v[i]);
        }
        for (int x = 0; x < end; x += LANES) {
            V v[5][5];
#pragma GCC unroll 5
            for (int i = 0; i < 5; i++) {
                const float* rank = ranks + x + wide * i;
#pragma GCC unroll 5
                for (int j = 0; j < 5; j++) v[i][j] = load(rank + j);
            }
            store(out + x, median25(v) * load(&inside[PAD + x - 1]));
        }
    }

    void median3(const float* from, float* out) {
        for (int x = 0; x < W; x += LANES) {
            V v[9];
#pragma GCC unroll 9
            for (int i = 0; i < 9; i++) v[i] = load(from + x + stride * (i / 3) + i % 3);
            store(out + x, median9(v) * load(&inside[PAD + x - 1]));
        }
    }

    // One fixed-point iteration; returns the sum of squared changes of the flow.
    float iterate() {
        V change = V{};
        update_flow(0, change);
        for (int y = 1; y < H; y++) update_flow(y, change), update_dual(y - 1, y);
        update_dual(H - 1, H - 1);
        work += int64_t(W) * H;
        float sum = 0;
        for (int i = 0; i < LANES; i++) sum += change[i];
        return sum;
    }

    static V difference(const float* p, int back) { return load(p) - load(p - back); }

    // Thresholding (eq. 15 of the paper) in one clamp, then u = v + theta div p.
    void update_flow(int y, V& change) {
        float *__restrict u1 = row(U1, y), *__restrict u2 = row(U2, y);
        const float *ix = row(IX, y), *iy = row(IY, y), *rho = row(RHO, y), *inv = row(INVERSE, y);
        const float *p11 = row(P11, y), *p12 = row(P12, y), *p21 = row(P21, y), *p22 = row(P22, y);
        const V limit = splat(float(par.lambda * par.theta)), theta = splat(float(par.theta));
        const int wide = this->wide, stride = this->stride;  // held in registers
        V sum = change;
#pragma GCC unroll 2
        for (int x = 0; x < wide; x += LANES) {
            const V a = load(u1 + x), b = load(u2 + x), gx = load(ix + x), gy = load(iy + x);
            const V residual = load(rho + x) + (gx * a + gy * b);
            const V step = vmin(vmax(-residual * load(inv + x), -limit), limit);
            const V d1 = difference(p11 + x, 1) + difference(p12 + x, stride);
            const V d2 = difference(p21 + x, 1) + difference(p22 + x, stride);
            const V na = (a + step * gx) + theta * d1, nb = (b + step * gy) + theta * d2;
            store(u1 + x, na), store(u2 + x, nb);
            sum += (na - a) * (na - a) + (nb - b) * (nb - b);
        }
        change = sum;
    }

    // p = (p + tau/theta grad u) / (1 + tau/theta |grad u|); `below` is y + 1, or y at the end.
    void update_dual(int y, int below) {
        const V rate = splat(float(par.tau / par.theta));
        dual_row(row(U1, y), row(U1, below), row(P11, y), row(P12, y), rate);
        dual_row(row(U2, y), row(U2, below), row(P21, y), row(P22, y), rate);
    }

    void dual_row(const float* u, const float* below, float* __restrict px, float* __restrict py,
                  V rate) {
        const int wide = this->wide;
        const float* right = &inside[PAD];
#pragma GCC unroll 2
        for (int x = 0; x < wide; x += LANES) {
            const V here = load(u + x);
            const V gx = (load(u + x + 1) - here) * load(right + x), gy = load(below + x) - here;
            const V scale = reciprocal(1.0f + rate * root(gx * gx + gy * gy));
            store(px + x, (load(px + x) + rate * gx) * scale);
            store(py + x, (load(py + x) + rate * gy) * scale);
        }
    }
};

}  // namespace

// Flow of n - 1 pairs of frames [n, h, w] (0..255) into [n - 1, h, w, 2]. `work`, if given,
// receives the pixel iterations of each pair. Returns 0, or 1 where memory ran out.
extern "C" int wstal_tvl1(const float* frames, int n, int h, int w, const Parameters* par,
                          float* flow, int64_t* work, int threads) {
    std::atomic<int> next{0}, failed{0};
    const size_t pixels = size_t(h) * w;
    auto run = [&] {
        try {
            const FlushDenormals flush;
            Solver solver(*par, w, h);
            for (int i; (i = next++) < n - 1 && !failed;) {
                const float* f = frames + pixels * i;
                const int64_t done = solver.solve(f, f + pixels, w, h, flow + 2 * pixels * i);
                if (work) work[i] = done;
            }
        } catch (const std::bad_alloc&) {
            failed = 1;
        }
    };
    std::vector<std::thread> others;
    try {
        for (int t = 1; t < std::min(threads, n - 1); t++) others.emplace_back(run);
    } catch (...) {  // fewer threads than asked for do the same work
    }
    run();
    for (auto& t : others) t.join();
    return failed;
}
