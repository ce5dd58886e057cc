// Dual TV-L1 optical flow (Zach, Pock, Bischof 2007), the two definitions of OpenCV.
//
// Where the time goes is the fixed-point iteration, tens of millions of pixel updates per pair.
// One iteration is one sweep over the rows: row y of the flow, then row y-1 of the dual
// variables, whose neighbours are still in the first-level cache. Rows are padded with zeros
// (a whole vector to the left, which is also the right pad of the row above), so that no
// pixel needs a branch. Pairs are independent: threads take one pair at a time.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif
constexpr int PAD = 16;  // floats before each row; a multiple of every LANES

typedef float V __attribute__((vector_size(4 * LANES)));
typedef float Loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float V4 __attribute__((vector_size(64)));  // four taps x four channels
typedef float Loose4 __attribute__((vector_size(64), aligned(4), may_alias));

inline V load(const float* p) { return *reinterpret_cast<const Loose*>(p); }
inline void store(float* p, V v) { *reinterpret_cast<Loose*>(p) = v; }
inline V splat(float f) { return V{} + f; }
inline V vmin(V a, V b) { return a < b ? a : b; }
inline V vmax(V a, V b) { return a > b ? a : b; }

// sqrt(s) and 1 / d to about one unit in the last place: the hardware's estimate and one Newton
// step, several times the throughput of the exact instructions. s = 0 gives 0.
#if defined(__AVX512F__)
inline V rsqrt_estimate(V s) { return (V)_mm512_rsqrt14_ps((__m512)s); }
inline V reciprocal_estimate(V d) { return (V)_mm512_rcp14_ps((__m512)d); }
#elif defined(__AVX__)
inline V rsqrt_estimate(V s) { return (V)_mm256_rsqrt_ps((__m256)s); }
inline V reciprocal_estimate(V d) { return (V)_mm256_rcp_ps((__m256)d); }
#elif defined(__x86_64__)
inline V rsqrt_estimate(V s) { return (V)_mm_rsqrt_ps((__m128)s); }
inline V reciprocal_estimate(V d) { return (V)_mm_rcp_ps((__m128)d); }
#else
inline V rsqrt_estimate(V s) {
    V r;
    for (int i = 0; i < LANES; i++) r[i] = 1.0f / sqrtf(s[i]);
    return r;
}
inline V reciprocal_estimate(V d) { return 1.0f / d; }
#endif
inline V root(V s) {
    s = s + 1e-30f;
    const V r = rsqrt_estimate(s), g = s * r;
    return g + (0.5f * r) * (s - g * g);
}
inline V reciprocal(V d) {
    const V r = reciprocal_estimate(d);
    return r + r * (1.0f - d * r);
}

// Values decaying into denormal numbers would slow an iteration down many times.
struct FlushDenormals {
#if defined(__x86_64__)
    unsigned before = _mm_getcsr();
    FlushDenormals() { _mm_setcsr(before | 0x8040); }
    ~FlushDenormals() { _mm_setcsr(before); }
#endif
};

struct Parameters {  // mirrored in tvl1_cpu.py
    double tau, lambda, theta, epsilon, scale_step;
    int nscales, warps, inner, outer, median, cuda;
};

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
    CubicTable() {
        const float A = -0.75f;
        for (int i = 0; i < FRACTIONS; i++) {
            const float x = float(i) / FRACTIONS;
            float* c = weight[i];
            c[0] = ((A * (x + 1) - 5 * A) * (x + 1) + 8 * A) * (x + 1) - 4 * A;
            c[1] = ((A + 2) * x - (A + 3)) * x * x + 1;
            c[2] = ((A + 2) * (1 - x) - (A + 3)) * (1 - x) * (1 - x) + 1;
            c[3] = 1.0f - c[0] - c[1] - c[2];
        }
    }
};
const CubicTable table;

// Where to read along one axis: first of four taps and their weights.
inline int cubic_cpu(float at, int size, float* weight) {
    at = std::min(std::max(at, -5.0f), float(size) + 5.0f);  // beyond it all taps are outside
    const int fixed = int(std::lrintf(at * FRACTIONS));
    std::memcpy(weight, table.weight[fixed & (FRACTIONS - 1)], 16);
    return std::min(std::max((fixed >> 5) - 1, -4), size);
}

inline int cubic_cuda(float at, int size, float* weight) {
    at = std::min(std::max(at, -3.0f), float(size) + 1.0f);  // beyond it all taps are the edge
    const int k = int(std::floor(at));
    const float x = at - float(k), y = 1.0f - x;  // A = -1/2
    float c[4] = {((-0.5f * (x + 1) + 2.5f) * (x + 1) - 4.0f) * (x + 1) + 2.0f,
                  x * x * (1.5f * x - 2.5f) + 1.0f, y * y * (1.5f * y - 2.5f) + 1.0f,
                  ((-0.5f * (y + 1) + 2.5f) * (y + 1) - 4.0f) * (y + 1) + 2.0f};
    const float gain = 1.0f / (c[0] + c[1] + c[2] + c[3]);
    for (int i = 0; i < 4; i++) weight[i] = c[i] * gain;
    return k - 1;
}

// ---- median ---------------------------------------------------------------------------

inline void order(V& a, V& b) {
    const V low = vmin(a, b);
    b = vmax(a, b);
    a = low;
}

inline V median9(V* p) {
    static constexpr int8_t NET[19][2] = {{1, 2}, {4, 5}, {7, 8}, {0, 1}, {3, 4}, {6, 7}, {1, 2},
                                          {4, 5}, {7, 8}, {0, 3}, {5, 8}, {4, 7}, {3, 6}, {1, 4},
                                          {2, 5}, {4, 7}, {4, 2}, {6, 4}, {4, 2}};
#pragma GCC unroll 19
    for (const auto& e : NET) order(p[e[0]], p[e[1]]);
    return p[4];
}

inline V median25(V* p) {  // 99 exchanges
    static constexpr int8_t NET[99][2] = {
        {0, 1},   {3, 4},   {2, 4},   {2, 3},   {6, 7},   {5, 7},   {5, 6},   {9, 10},  {8, 10},
        {8, 9},   {12, 13}, {11, 13}, {11, 12}, {15, 16}, {14, 16}, {14, 15}, {18, 19}, {17, 19},
        {17, 18}, {21, 22}, {20, 22}, {20, 21}, {23, 24}, {2, 5},   {3, 6},   {0, 6},   {0, 3},
        {4, 7},   {1, 7},   {1, 4},   {11, 14}, {8, 14},  {8, 11},  {12, 15}, {9, 15},  {9, 12},
        {13, 16}, {10, 16}, {10, 13}, {20, 23}, {17, 23}, {17, 20}, {21, 24}, {18, 24}, {18, 21},
        {19, 22}, {8, 17},  {9, 18},  {0, 18},  {0, 9},   {10, 19}, {1, 19},  {1, 10},  {11, 20},
        {2, 20},  {2, 11},  {12, 21}, {3, 21},  {3, 12},  {13, 22}, {4, 22},  {4, 13},  {14, 23},
        {5, 23},  {5, 14},  {15, 24}, {6, 24},  {6, 15},  {7, 16},  {7, 19},  {13, 21}, {15, 23},
        {7, 13},  {7, 15},  {1, 9},   {3, 11},  {5, 17},  {11, 17}, {9, 17},  {4, 10},  {6, 12},
        {7, 14},  {4, 6},   {4, 7},   {12, 14}, {10, 14}, {6, 7},   {10, 12}, {6, 10},  {6, 17},
        {12, 17}, {7, 17},  {7, 10},  {12, 18}, {7, 12},  {10, 18}, {12, 20}, {10, 20}, {10, 12}};
#pragma GCC unroll 99
    for (const auto& e : NET) order(p[e[0]], p[e[1]]);
    return p[12];
}

// ---- one pair -------------------------------------------------------------------------

enum Plane { U1, U2, P11, P12, P21, P22, IX, IY, RHO, INVERSE, PLANES };

class Solver {
  public:
    Solver(const Parameters& p, int w, int h) : par(p) {
        const size_t rows = size_t(round_up(w) + PAD) * (h + 1) + 2 * PAD;
        size = rows + 80;  // 5 cache lines: the planes' rows must not share cache sets
        memory.reset(new float[size * PLANES + 16]);
        packed.resize(size_t(w + 8) * (h + 8) * 4);
        scratch.resize(size_t(round_up(w) + PAD) * (h + 4) + 4 * PAD);
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
    std::vector<float> packed, scratch, inside;
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
        pack(i1);
        for (int y = 0; y < H; y++) {
            std::copy(u.row(y), u.row(y) + W, row(U1, y));
            std::copy(v.row(y), v.row(y) + W, row(U2, y));
        }
        for (int warp = 0; warp < par.warps; warp++) {
            par.cuda ? sample<cubic_cuda>(i0) : sample<cubic_cpu>(i0);
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

    // Image 1 and its central differences side by side, so that four taps of all three are one
    // load; the border is zero (remap) or repeats the edge (CUDA texture).
    void pack(const Image& im) {
        const int pw = W + 8;
        for (int py = 0; py < H + 8; py++)
            for (int px = 0; px < pw; px++) {
                const int x = std::min(std::max(px - 4, 0), W - 1);
                const int y = std::min(std::max(py - 4, 0), H - 1);
                float* o = &packed[(size_t(py) * pw + px) * 4];
                o[0] = o[1] = o[2] = o[3] = 0;
                if (!par.cuda && (x != px - 4 || y != py - 4)) continue;
                const float *r = im.row(y), *up = im.row(std::max(y - 1, 0));
                const float* down = im.row(std::min(y + 1, H - 1));
                o[0] = r[x];
                o[1] = 0.5f * (r[std::min(x + 1, W - 1)] - r[std::max(x - 1, 0)]);
                o[2] = 0.5f * (down[x] - up[x]);
            }
    }

    // Warp by the flow: gradient, constant part of the residual, 1 / |gradient|^2.
    template <int (*cubic)(float, int, float*)>
    void sample(const Image& i0) {
        const int pw = W + 8;
        for (int y = 0; y < H; y++) {
            const float *u = row(U1, y), *v = row(U2, y), *target = i0.row(y);
            float *ix = row(IX, y), *iy = row(IY, y), *rho = row(RHO, y), *inv = row(INVERSE, y);
            for (int x = 0; x < W; x++) {
                float a[4], b[4];
                const int left = cubic(float(x) + u[x], W, a), top = cubic(float(y) + v[x], H, b);
                const float* at = &packed[(size_t(top + 4) * pw + (left + 4)) * 4];
                V4 sum = *reinterpret_cast<const Loose4*>(at) * b[0];
                for (int k = 1; k < 4; k++)
                    sum += *reinterpret_cast<const Loose4*>(at + size_t(4) * pw * k) * b[k];
                float c[3];
                for (int k = 0; k < 3; k++)
                    c[k] = sum[k] * a[0] + sum[4 + k] * a[1] + sum[8 + k] * a[2] + sum[12 + k] * a[3];
                ix[x] = c[1], iy[x] = c[2];
                rho[x] = c[0] - c[1] * u[x] - c[2] * v[x] - target[x];
                // Without a gradient the step is 0 whatever this is, as long as it is finite.
                inv[x] = 1.0f / std::max(c[1] * c[1] + c[2] * c[2], 1e-20f);
            }
        }
    }

    void median(Plane p) {
        const int r = par.median / 2, wider = stride;
        for (int y = -r; y < H + r; y++) {
            const float* s = row(p, std::min(std::max(y, 0), H - 1));
            float* d = &scratch[size_t(y + r) * wider + r];
            std::memcpy(d, s, sizeof(float) * W);
            for (int k = 1; k <= r; k++) d[-k] = s[0], d[W - 1 + k] = s[W - 1];
        }
        for (int y = 0; y < H; y++) {
            float* out = row(p, y);
            const float* from = &scratch[size_t(y) * wider];
            for (int x = 0; x < wide; x += LANES) {
                V v[25];
                V m;
                if (r == 2) {
                    for (int i = 0; i < 25; i++) v[i] = load(from + x + wider * (i / 5) + i % 5);
                    m = median25(v);
                } else {
                    for (int i = 0; i < 9; i++) v[i] = load(from + x + wider * (i / 3) + i % 3);
                    m = median9(v);
                }
                store(out + x, m * load(&inside[PAD + x - 1]));  // the right pad stays zero
            }
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

    // Thresholding (eq. 15 of the paper) in one clamp, then u = v + theta div p.
    void update_flow(int y, V& change) {
        float *__restrict u1 = row(U1, y), *__restrict u2 = row(U2, y);
        const float *ix = row(IX, y), *iy = row(IY, y), *rho = row(RHO, y), *inv = row(INVERSE, y);
        const float *p11 = row(P11, y), *p12 = row(P12, y), *p21 = row(P21, y), *p22 = row(P22, y);
        const V limit = splat(float(par.lambda * par.theta)), theta = splat(float(par.theta));
        V sum = change;
        for (int x = 0; x < wide; x += LANES) {
            const V a = load(u1 + x), b = load(u2 + x), gx = load(ix + x), gy = load(iy + x);
            const V residual = load(rho + x) + (gx * a + gy * b);
            const V step = vmin(vmax(-residual * load(inv + x), -limit), limit);
            const V d1 = (load(p11 + x) - load(p11 + x - 1)) + (load(p12 + x) - load(p12 + x - stride));
            const V d2 = (load(p21 + x) - load(p21 + x - 1)) + (load(p22 + x) - load(p22 + x - stride));
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
        const float* right = &inside[PAD];
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
