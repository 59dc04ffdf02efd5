"""Writes statistics.txt: Clopper-Pearson bounds, normal quantiles and Fisher's critical values, enclosed by neighbouring floats.

Python 3.9 or later, mpmath==1.3.0.  Run:  python3 statistics.py > statistics.txt
lower k n bits(alpha) side bits(below) bits(above): the exact lower bound p (side p) or 1 - p (side q), whichever is smaller
quantile bits(p) bits(below) bits(above)
fisher m bits(alpha) bits(below) bits(above): the critical value of the product of m p-values
The tail is a sum of binomial terms for n up to 1000, and an integral of the beta density, piece by piece, above.
"""

import math
import struct

import mpmath
from mpmath import mp, mpf

assert mpmath.__version__ == "1.3.0"
mp.dps = 50


def bits(x):
    return struct.pack(">d", x).hex()


def enclosed(value):
    x = float(value)
    below = x if mpf(x) <= value else math.nextafter(x, -math.inf)
    return bits(below), bits(below if mpf(below) == value else math.nextafter(below, math.inf))


def tail(k, n, x, y):
    """P(Bin(n, x) >= k), with y = 1 - x."""
    if n <= 1000:
        term = mpmath.binomial(n, k) * x**k * y ** (n - k)
        total = mpf(0)
        for j in range(k, n + 1):
            total += term
            term *= mpf(n - j) / (j + 1) * x / y
        return total
    a, b = k, n - k + 1
    front = mpmath.loggamma(a + b) - mpmath.loggamma(a) - mpmath.loggamma(b)
    deviation = mpmath.sqrt(mpf(a) * b / (mpf(a + b) ** 3))
    # t = 1 - s where that is the small side, so that no digits are lost.
    if x <= y:
        pieces = [max(mpf(0), x - deviation * j) for j in range(24, -1, -1)]
        f = lambda t: mpmath.exp(front + (a - 1) * mpmath.log(t) + (b - 1) * mpmath.log1p(-t)) if t else mpf(0)
    else:
        pieces = [min(mpf(1), y + deviation * j) for j in range(0, 25)]
        f = lambda s: mpmath.exp(front + (a - 1) * mpmath.log1p(-s) + (b - 1) * mpmath.log(s)) if s < 1 else mpf(0)
    pieces = sorted(set(pieces))
    return mpmath.quad(f, pieces)


def lower(k, n, alpha):
    """The lower bound as its smaller side."""
    q_side = 2 * k > n
    target = mpmath.log(mpf(alpha))
    if k == n:
        root = mpmath.exp(target / n)
        return ("q", -mpmath.expm1(target / n)) if root > 0.5 else ("p", root)
    def excess(t):
        side = mpmath.exp(t)
        x, y = (1 - side, side) if q_side else (side, 1 - side)
        return mpmath.log(tail(k, n, x, y)) - target
    z = -mpmath.sqrt(2) * mpmath.erfinv(2 * mpf(alpha) - 1)
    a, b = k, n - k + 1
    u, v = mpf(1) / (2 * a - 1), mpf(1) / (2 * b - 1)
    h, l = 2 / (u + v), (z * z - 3) / 6
    w = z * mpmath.sqrt(h + l) / h - (v - u) * (l + mpf(5) / 6 - 2 / (3 * h))
    odds = mpf(b) / a * mpmath.exp(2 * w)
    start = mpmath.log(odds / (1 + odds) if q_side else 1 / (1 + odds))
    root = mpmath.exp(mpmath.findroot(excess, (start, start * (1 + mpf("1e-9"))), tol=1e-40, maxsteps=60))
    if root > 0.5:
        return ("p" if q_side else "q"), 1 - root
    return ("q" if q_side else "p"), root


for n in (1, 2, 7, 100, 1000, 10**6, 10**9):
    alphas = (0.5, 0.05, 0.001, 1e-6, 1e-15) if n <= 1000 else (0.5, 0.001, 1e-15)
    shares = (0.001, 0.3, 0.5, 0.9, 0.999) if n <= 1000 else (0.001, 0.6, 0.999)
    counts = {1, 2, n - 1, n} | {round(n * share) for share in shares}
    if n > 1000:
        counts = {1, n - 1, n} | {round(n * share) for share in shares}
    for k in sorted(k for k in counts if 1 <= k <= n):
        for alpha in alphas:
            side, value = lower(k, n, alpha)
            print("lower", k, n, bits(alpha), side, *enclosed(value))

mp.dps = 60
for p in (5e-324, 1e-300, 1e-100, 1e-15, 1e-6, 0.001, 0.02, 0.1, 0.2499, 0.25, 0.2501, 0.3, 0.4, 0.49, 0.499999, math.nextafter(0.5, 0)):
    # Newton on the logarithm of the tail.
    x = mpmath.findroot(lambda x: mpmath.log(mpmath.erfc(x / mpmath.sqrt(2)) / 2) - mpmath.log(mpf(p)), mpmath.sqrt(max(mpf(0), -2 * mpmath.log(2 * mpf(p)))) * mpf("0.95") + mpf("0.001"), tol=1e-50)
    print("quantile", bits(p), *enclosed(-x))

for m in (2, 3):
    for alpha in (0.9, 0.5, 0.05, 0.01, 0.001, 1e-6, 1e-15, 1e-100):
        # t = -ln c, in P(Gamma(m) >= t) = alpha.
        f = lambda t: mpmath.log(mpmath.gammainc(m, t, mpmath.inf, regularized=True)) - mpmath.log(mpf(alpha))
        t = mpmath.findroot(f, (mpf("1e-9"), mpf(600)), solver="anderson", tol=1e-45, maxsteps=500)
        assert abs(f(t)) < mpf("1e-40")
        print("fisher", m, bits(alpha), *enclosed(mpmath.exp(-t)))
