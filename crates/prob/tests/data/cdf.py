"""Writes cdf.txt: distribution functions of sums of uniform inputs on [-1, 1], between two neighbouring floats.

Python 3.9 or later, mpmath==1.3.0; some minutes.  Run:  python3 cdf.py > cdf.txt
Each line: kind of coefficients, their number, bits of the threshold, of the float below and of the float above the value.

The sum of up to ten terms is computed from the closed form in exact rationals, that of more by the Fourier series of the
whole support (no aliasing) in 45 digits, cut where a bound of the rest is below 1e-32; values within 1e-14 of
0 and 1 are left out.
"""

import struct
import sys
from fractions import Fraction
from math import factorial, nextafter, sqrt, inf

import mpmath

assert mpmath.__version__ == "1.3.0"
mpmath.mp.dps = 45


def bits(x):
    return struct.pack(">d", x).hex()


class Noise:
    """24-bit numbers in [-1, 1), the same as in the test."""

    def __init__(self):
        self.state = 1

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return ((self.state >> 40) - 2**23) / 2**23


def coefficients(kind, n):
    noise = Noise()
    if kind == "layer":
        return [noise.next() * noise.next() for _ in range(n)]
    if kind == "equal":
        return [0.375] * n
    if kind == "int8":
        return [round(noise.next() * 8) / 128 for _ in range(n)]
    if kind == "dominated":
        return [1.0] + [noise.next() / 2048 for _ in range(n - 1)]
    if kind == "pair":
        return [1.0, 0.75] + [noise.next() / 2**30 for _ in range(n - 2)]
    raise ValueError(kind)


def closed_form(a, t):
    b = [2 * Fraction(x) for x in a]
    s = Fraction(t) + sum(b) / 2
    total = Fraction(0)
    for vertex in range(2 ** len(b)):
        chosen = [x for i, x in enumerate(b) if vertex >> i & 1]
        base = s - sum(chosen)
        if base > 0:
            total += (-1) ** len(chosen) * base ** len(b)
    for x in b:
        total /= x
    total /= factorial(len(b))
    return mpmath.mpf(total.numerator) / total.denominator


def series(a, thresholds):
    a = [mpmath.mpf(x) for x in a]
    omega = mpmath.pi / (2 * sum(a))
    values = [mpmath.mpf(1) / 2 for _ in thresholds]
    k = 1
    while True:
        s = k * omega
        phi, bound = mpmath.mpf(1), mpmath.mpf(1)
        for x in a:
            y = x * s
            phi *= mpmath.sin(y) / y
            bound *= 1 / y if y > 1 else mpmath.exp(-y * y / 6)
        for i, t in enumerate(thresholds):
            values[i] += 2 / mpmath.pi * mpmath.sin(s * t) * phi / k
        if bound * (1 + k) < mpmath.mpf(10) ** -32:
            return values
        k += 2


def neighbours(value):
    low = float(value)
    while mpmath.mpf(low) > value:
        low = nextafter(low, -inf)
    high = low
    while mpmath.mpf(high) < value:
        high = nextafter(high, inf)
    return low, high


CASES = [(kind, n) for n in (10, 100, 784, 3072) for kind in ("layer", "equal", "int8", "dominated")]
CASES.append(("pair", 10))

for kind, n in CASES:
    a = [abs(c) for c in coefficients(kind, n) if c != 0]
    sigma = sqrt(sum(x * x for x in a) / 3)
    marks = [-1.0009765625, -0.9990234375, 0.98, 1.0] if kind in ("dominated", "pair") else []
    thresholds = marks + [z * sigma for z in (-5.5, -3.0, -1.0, -0.125, 0.0, 0.5, 2.0, 4.0)]
    thresholds = [t for t in thresholds if abs(t) < sum(a)]
    exact = [closed_form(a, t) for t in thresholds] if n <= 10 else series(a, thresholds)
    for t, value in zip(thresholds, exact):
        if not 1e-14 < value < 1 - 1e-14:
            continue  # the digits of the series are absolute
        low, high = neighbours(value)
        print(kind, n, bits(t), bits(low), bits(high))
    sys.stdout.flush()
