// Vectors as wide as the CPU's registers, by the compilers' vector extension.
#pragma once
#include <cmath>

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

typedef float V __attribute__((vector_size(4 * LANES)));
typedef float Loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float V4 __attribute__((vector_size(64)));  // four taps x four channels
typedef float Loose4 __attribute__((vector_size(64), aligned(4), may_alias));
typedef float Quad __attribute__((vector_size(16)));

inline V load(const float* p) { return *reinterpret_cast<const Loose*>(p); }
inline void store(float* p, V v) { *reinterpret_cast<Loose*>(p) = v; }
inline V splat(float f) { return V{} + f; }
inline V vmin(V a, V b) { return a < b ? a : b; }
inline V vmax(V a, V b) { return a > b ? a : b; }

// Estimates by the hardware, for a Newton step: several times the throughput of exact instructions.
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
inline V reciprocal(V d) {
    const V r = reciprocal_estimate(d);
    return r + r * (1.0f - d * r);
}

// Without this, values that decay into denormal numbers make an iteration many times slower.
struct FlushDenormals {
#if defined(__x86_64__)
    unsigned before = _mm_getcsr();
    FlushDenormals() { _mm_setcsr(before | 0x8040); }
    ~FlushDenormals() { _mm_setcsr(before); }
#endif
};

}  // namespace
