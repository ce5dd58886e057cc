// Dual TV-L1 optical flow (Zach, Pock, Bischof 2007), the two definitions of OpenCV.
//
// Most of the time goes into the fixed-point iteration (iteration.h), tens of millions of pixel
// updates per pair. Rows are padded with zeros (a whole vector to the left, which is also the
// right pad of the row above), so that no pixel needs a branch. Pairs are independent: threads
// take one pair at a time.
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include <unistd.h>

#include "iteration.h"
#include "median.h"
#include "resampling.h"
#include "vectors.h"
#include "warping.h"

namespace {

struct Parameters {  // mirrored in cpu.py
    double tau, lambda, theta, epsilon, scale_step;
    int nscales, warps, inner, outer, median, cuda;
    int sweep;  // most iterations in a sweep; 0: by the size of the cache
};

constexpr int FIELDS = 2 * STATE + TERMS;  // two states: a sweep may be repeated from the old one

// Bytes of the second-level cache, or what most CPUs have at least.
size_t cache_bytes() {
#ifdef _SC_LEVEL2_CACHE_SIZE
    if (const long found = sysconf(_SC_LEVEL2_CACHE_SIZE); found > 0) return size_t(found);
#endif
    return 1 << 20;
}

class Solver {
  public:
    Solver(const Parameters& p, int w, int h) : par(p), source(w, h) {
        const size_t rows = size_t(round_up(w) + PAD) * (h + 1) + 2 * PAD;
        size = rows + 80;  // 5 cache lines: the planes' rows must not share cache sets
        memory.reset(new float[size * FIELDS + 16]);
        scratch.resize(size_t(round_up(w) + PAD) * (h + 4) + 4 * PAD);
        line.resize(5 * (round_up(w) + PAD) + PAD);
        inside.resize(round_up(w) + 2 * PAD);
        one.limit = float(par.lambda * par.theta), one.theta = float(par.theta);
        one.rate = float(par.tau / par.theta);
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
    Planes now, other, terms;  // the state, a second one, the linearised image term
    Iteration one;
    size_t size;
    int W = 0, H = 0, stride = 0, sweep = 1;
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
        W = w, H = h, stride = round_up(w) + PAD;
        const uintptr_t base = (reinterpret_cast<uintptr_t>(memory.get()) + 63) / 64 * 64;
        std::memset(reinterpret_cast<float*>(base), 0, size * FIELDS / 16 * 64);
        const ptrdiff_t plane = size / 16 * 16;
        float* const first = reinterpret_cast<float*>(base) + stride + PAD;
        now = {first, plane, stride};
        other = {first + plane * STATE, plane, stride};
        terms = {first + plane * STATE * 2, plane, stride};
        // 1 where a pixel has a right neighbour; the value left of it: 1 where the pixel exists
        std::fill(inside.begin(), inside.end(), 0.0f);
        std::fill(inside.begin(), inside.begin() + PAD + W - 1, 1.0f);
        one.width = W, one.height = H, one.inside = &inside[PAD];
        // Longer sweeps than the cache needs cost more than they save: rows leave its first level.
        sweep = sizeof(float) * FIELDS * stride * H > cache_bytes() ? Iteration::MOST : 4;
        if (par.sweep) sweep = std::min(par.sweep, Iteration::MOST + 0);
    }

    float* row(int plane, int y) { return now.row(plane, y); }

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
            Forecast forecast;
            for (int inner = 0; error > enough && inner < par.inner;) {
                const int most = std::min(sweep, par.inner - inner);
                inner += until(enough, forecast.iterations(enough, most), forecast);
                error = forecast.change();
            }
        }
    }

    // Do up to `count` iterations, until the change is small enough; return how many it took. They
    // are done at once; after too many, the needed ones are repeated from the state before.
    int until(float enough, int count, Forecast& forecast) {
        const Planes target = count > 1 ? other : now;
        float change[Iteration::MOST];
        one.sweep(count, now, target, terms, change);
        int done = 0;
        while (done < count && (done == 0 || change[done - 1] > enough)) forecast.saw(change[done++]);
        if (done < count) one.sweep(done, now, target, terms, change);
        if (count > 1) std::swap(now, other);
        work += int64_t(W) * H * done;
        return done;
    }

    // The change is tested on odd iterations only. After a test, the next one waits until a count
    // that starts at the change, and loses the threshold each iteration, is below the threshold.
    void iterate_cuda() {
        const double enough = par.epsilon * par.epsilon * (double(W) * H);
        const auto looks = [&](int n, double count) {
            return par.epsilon > 0 && (n & 1) && count < enough;
        };
        double count = 0;
        float change[Iteration::MOST];
        for (int n = 0; n < par.inner;) {
            int steps = 0;
            bool look = false;
            while (!look && steps < sweep && n + steps < par.inner) {
                look = looks(n + steps++, count);
                if (!look) count -= enough;
            }
            one.sweep(steps, now, now, terms, change);
            work += int64_t(W) * H * steps, n += steps;
            if (!look) continue;
            count = change[steps - 1];
            if (count <= enough) break;
        }
    }

    // Warp by the flow: gradient, constant part of the residual, -1 / |gradient|^2.
    void warp(const Image& i0) {
        float* __restrict read = line.data();
        for (int y = 0; y < H; y++) {
            const float *__restrict u = row(U1, y), *__restrict v = row(U2, y);
            const float* __restrict target = i0.row(y);
            float *__restrict gx = terms.row(IX, y), *__restrict gy = terms.row(IY, y);
            float *__restrict rho = terms.row(RHO, y);
            float *__restrict inverse = terms.row(INVERSE, y);
            source.read(y, u, v, read);
            for (int x = 0; x < W; x++) {
                const float i = read[4 * x], ix = read[4 * x + 1], iy = read[4 * x + 2];
                gx[x] = ix, gy[x] = iy;
                rho[x] = i - ix * u[x] - iy * v[x] - target[x];
                // Without a gradient the step is 0 for any finite value.
                inverse[x] = -1.0f / std::max(ix * ix + iy * iy, 1e-20f);
            }
        }
    }

    void median(int p) {
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
};

}  // namespace

// Flow of n - 1 pairs of frames [n, h, w] (0..255) into [n - 1, h, w, 2]. `work`, if given,
// receives the pixel iterations of each pair. Returns 0, or 1 if memory ran out.
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
    } catch (...) {  // fewer threads do the same work
    }
    run();
    for (auto& t : others) t.join();
    return failed;
}
