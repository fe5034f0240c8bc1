#!/usr/bin/env python3
"""Derives the polynomial coefficients of ir/math.h: python3 scripts/derive_math_coefficients.py (needs mpmath).

Each polynomial is a weighted least-squares fit at Chebyshev points of its interval, in 60 digits, the weight being that of the
relative error of the function. A coefficient is rounded to float32 and held, lowest degree first; the remaining ones are then
fitted again, so that they take up its rounding error.
"""
import struct
from mpmath import mp, mpf, matrix, lu_solve, exp, log, tanh, erf, erfc, atanh, sin, cos, pi, sqrt, linspace

mp.dps = 90


def to_f32(value):
    """The float32 nearest to `value` (through float64, whose rounding is far below what matters here)."""
    return mpf(struct.unpack("f", struct.pack("f", float(value)))[0])


def fit(f, weight, low, high, powers):
    """Coefficients c of sum c[k] x^powers[k] that minimise the weighted squares of f - p at 200 Chebyshev points of
    [low, high]: within a few per cent of the minimax polynomial, and defined where the weight vanishes."""
    points = [(low + high) / 2 + (high - low) / 2 * cos(pi * (k + mpf(1) / 2) / 200) for k in range(200)]
    normal, right = matrix(len(powers), len(powers)), matrix(len(powers), 1)
    for x in points:
        square = weight(x) ** 2
        value = f(x)
        for row, power in enumerate(powers):
            right[row] += square * value * x**power
            for column, other in enumerate(powers):
                normal[row, column] += square * x ** (power + other)
    solution = lu_solve(normal, right)
    return [solution[k] for k in range(len(powers))]


def derive(name, f, weight, low, high, degree):
    """Prints the float32 coefficients of f's polynomial of this degree and the error with the rounded coefficients."""
    held = []
    for fixed in range(degree + 1):
        rest = lambda x: f(x) - sum(c * x**k for k, c in enumerate(held))
        fitted = fit(rest, weight, low, high, list(range(fixed, degree + 1)))
        held.append(to_f32(fitted[0]))
    error = max(abs(f(x) - sum(c * x**k for k, c in enumerate(held))) * weight(x) for x in linspace(low, high, 4000))
    print(f"{name}: relative error {mp.nstr(error, 3)} = {mp.nstr(error * 2**24, 3)} half ulp")
    for k, c in enumerate(held):
        print(f"  c{k} = {float(c).hex()}f")


def quotient_limit(numerator, at_zero):
    """numerator(x) as a function that takes its limit where x is so small that cancellation spoils it."""
    return lambda x: at_zero(x) if abs(x) < mpf(10) ** -12 else numerator(x)


def main():
    half_ln2 = log(2) / 2
    # exp(r) = 1 + r + r^2 q(r); slightly beyond ln2/2 because the reduction rounds n.
    derive("exp", quotient_limit(lambda r: (exp(r) - 1 - r) / r**2, lambda r: mpf(1) / 2 + r / 6),
           lambda r: r**2 / exp(r), -half_ln2 * mpf("1.0001"), half_ln2 * mpf("1.0001"), 4)
    # log(1 + f) = f + f^2 q(f), 1 + f from sqrt(1/2) to sqrt(2).
    derive("log", quotient_limit(lambda f: (log(1 + f) - f) / f**2, lambda f: -mpf(1) / 2 + f / 3),
           lambda f: abs(f**2 / log(1 + f)) if abs(f) > mpf(10) ** -20 else mpf(10) ** -20,
           sqrt(mpf(1) / 2) - 1 - mpf("1e-4"), sqrt(mpf(2)) - 1 + mpf("1e-4"), 8)
    # tanh(a) = a + a s q(s) with s = a^2, a up to 0.625.
    derive("tanh", quotient_limit(lambda s: (tanh(sqrt(s)) / sqrt(s) - 1) / s, lambda s: -mpf(1) / 3 + 2 * s / 15),
           lambda s: s * sqrt(s) / tanh(sqrt(s)), mpf("1e-6"), mpf("0.625") ** 2, 4)
    # erf(a) = a + a q(s) with s = a^2, a up to 0.9; log(1 - erf(a)) from there to 3.95.
    derive("erf", quotient_limit(lambda s: erf(sqrt(s)) / sqrt(s) - 1, lambda s: 2 / sqrt(pi) * (1 - s / 3) - 1),
           lambda s: sqrt(s) / erf(sqrt(s)), mpf("1e-8"), mpf("0.9") ** 2, 6)
    derive("log(1 - erf)", lambda a: log(erfc(a)), lambda a: erfc(a) / erf(a), mpf("0.9"), mpf("3.95"), 7)
    # sin(r) = r + r s p(s), cos(r) = 1 - s/2 + s^2 c(s), slightly beyond pi/4.
    quarter = pi / 4 * mpf("1.0001")
    derive("sin", lambda s: (sin(sqrt(s)) / sqrt(s) - 1) / s, lambda s: s * sqrt(s) / sin(sqrt(s)), mpf("1e-6"), quarter**2, 2)
    derive("cos", lambda s: (cos(sqrt(s)) - 1 + s / 2) / s**2, lambda s: s**2 / cos(sqrt(s)), mpf("1e-6"), quarter**2, 2)
    # artanh(t) = t + t^3 (1/3 + v q(v)) with v = t^2, t up to (sqrt(2) - 1)/(sqrt(2) + 1).
    furthest = (sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1) * mpf("1.001")
    derive("artanh", lambda v: ((atanh(sqrt(v)) / sqrt(v) - 1) / v - mpf(1) / 3) / v, lambda v: v * v, mpf("1e-6"), furthest**2, 2)
    # 2^r = 1 + r q(r)
    derive("exp2", quotient_limit(lambda r: (mpf(2) ** r - 1) / r, lambda r: log(2) + log(2) ** 2 * r / 2),
           lambda r: abs(r) / mpf(2) ** r, -mpf("0.5001"), mpf("0.5001"), 5)
    for name, value in [("pi/2", pi / 2), ("1/3", mpf(1) / 3), ("2/ln2", 2 / log(2))]:
        print(name, float(to_f32(value)).hex(), "rest", float(to_f32(value - to_f32(value))).hex())
    bits = [int(2 / pi * mpf(2) ** (32 * (k + 1))) % 2**32 for k in range(7)]
    print("2/pi", " ".join(hex(word) for word in bits))
    # ln 2 in two parts: the first has so few bits that its product with an exponent is exact.
    high = mpf(int(log(2) * 2**15)) / 2**15
    print("ln2 high", float(high).hex(), "low", float(to_f32(log(2) - high)).hex())
    print("ln2", float(to_f32(log(2))).hex(), "rest", float(to_f32(log(2) - to_f32(log(2)))).hex())
    print("log2(e)", float(to_f32(1 / log(2))).hex())


if __name__ == "__main__":
    main()
