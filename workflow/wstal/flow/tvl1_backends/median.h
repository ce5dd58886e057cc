// Medians of 3x3 and 5x5 windows, many pixels at a time, by exchanges without branches.
#pragma once
#include <cstdint>

#include "vectors.h"

namespace {

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

inline V middle_of(V a, V b, V c) { return vmax(vmin(a, b), vmin(vmax(a, b), c)); }

inline void sort5(V* p) {
    order(p[0], p[1]), order(p[3], p[4]), order(p[2], p[4]), order(p[2], p[3]), order(p[1], p[4]);
    order(p[0], p[3]), order(p[0], p[2]), order(p[1], p[3]), order(p[1], p[2]);
}

// Median of a 5x5 window whose columns are sorted: r[i] are the five values of rank i. Once these
// are sorted, too, 13 candidates remain on three antidiagonals: the median is the median of the
// greatest of the first, the median of the second and the least of the third.
inline V median25(V r[5][5]) {
#pragma GCC unroll 5
    for (int i = 0; i < 5; i++) sort5(r[i]);
    V middle[5] = {r[0][4], r[1][3], r[2][2], r[3][1], r[4][0]};
    sort5(middle);
    const V low = vmax(vmax(r[0][3], r[1][2]), vmax(r[2][1], r[3][0]));
    const V high = vmin(vmin(r[1][4], r[2][3]), vmin(r[3][2], r[4][1]));
    return middle_of(low, middle[2], high);
}

}  // namespace
