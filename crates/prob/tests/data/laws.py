"""Writes laws.txt: triangular and truncated Gaussian laws, alone and in sums, in 40 digits.

Python 3.9 or later, mpmath==1.3.0; a minute.  Run:  python3 laws.py > laws.txt
Lines: law parameters "log_mgf" s value; law parameters "cf" s real imaginary (both of X - E X); law parameters "mean"
value variance; "sum" threshold value, the distribution function of the sum that the test names. Numbers of 25 digits.
"""

import mpmath
from mpmath import mpf

assert mpmath.__version__ == "1.3.0"
mpmath.mp.dps = 40


class Law:
    def __init__(self, name, parameters, pieces):
        self.name, self.parameters = name, parameters
        # Pieces: (from, to, density)
        self.pieces = pieces
        total = self.integral(lambda x: 1)
        assert abs(total - 1) < mpf(10) ** -30, total
        self.mean = self.integral(lambda x: x)
        self.variance = self.integral(lambda x: (x - self.mean) ** 2)

    def integral(self, f):
        return sum(
            mpmath.quad(lambda x: f(x) * density(x), mpmath.linspace(a, b, 9))
            for a, b, density in self.pieces
        )


def triangular(l, m, u):
    l, m, u = mpf(l), mpf(m), mpf(u)
    pieces = []
    if m > l:
        pieces.append((l, m, lambda x: 2 * (x - l) / ((u - l) * (m - l))))
    if u > m:
        pieces.append((m, u, lambda x: 2 * (u - x) / ((u - l) * (u - m))))
    return Law("triangular", (l, m, u), pieces)


def gaussian(c, d, l, u):
    c, d, l, u = mpf(c), mpf(d), mpf(l), mpf(u)
    root = mpmath.sqrt(2)
    weight = d * mpmath.sqrt(mpmath.pi / 2) * (mpmath.erf((u - c) / d / root) - mpmath.erf((l - c) / d / root))
    density = lambda x: mpmath.exp(-((x - c) / d) ** 2 / 2) / weight
    return Law("gaussian", (c, d, l, u), [(l, c, density), (c, u, density)] if l < c < u else [(l, u, density)])


def show(x):
    return mpmath.nstr(x, 25, min_fixed=0, max_fixed=0)


LAWS = [
    triangular(0, 0.25, 1),
    triangular(-1, 0, 1),
    triangular(-2, -2, 1),
    triangular(0.5, 1, 1),
    gaussian(0.5, 0.125, 0, 1),
    gaussian(0, 1, 0, 2),
    gaussian(-0.25, 0.5, -1, 0.5),
    gaussian(0, 4, -1, 1),
    gaussian(0.25, 0.0625, -1, 0.3125),
]

for law in LAWS:
    head = f"{law.name} {','.join(str(float(x)) for x in law.parameters)}"
    print(head, "mean", show(law.mean), show(law.variance))
    for s in (-40.0, -7.5, -1.0, -0.015625, 0.0078125, 0.5, 3.0, 21.0):
        print(head, "log_mgf", s, show(mpmath.log(law.integral(lambda x: mpmath.exp(s * (x - law.mean))))))
        value = law.integral(lambda x: mpmath.expj(s * (x - law.mean)))
        print(head, "cf", s, show(value.real), show(value.imag))

# U/2 + T - G + 0.75 B/… of the test: integrate the trapezoid of the two densities against a uniform one.
t, g = triangular(0, 0.25, 1), gaussian(0.5, 0.125, 0, 1)
for threshold in (-0.75, -0.25, 0.0, 0.40625, 1.0):
    # P(U/2 + T - G <= z), U uniform on [-1, 1]: E clamp(z - T + G + 1/2).
    z = mpf(threshold)
    value = mpf(0)
    for a, b, density in t.pieces:
        def inner(x):
            # E clamp(z - x + G + 1/2, 0, 1)
            cuts = sorted({mpf(0), mpf(1), mpf(1) / 2, *(y for y in (x - z - mpf(1) / 2, x - z + mpf(1) / 2) if 0 < y < 1)})
            f = lambda y: min(max(z - x + y + mpf(1) / 2, 0), 1) * g.pieces[0][2](y)
            return mpmath.quad(f, cuts)
        mpmath.mp.dps = 20
        cuts = sorted({a, b, *(c for c in (z - mpf(1) / 2, z + mpf(1) / 2, z, z + 1, z + mpf(3) / 2) if a < c < b)})
        value += mpmath.quad(lambda x: inner(x) * density(x), cuts)
        mpmath.mp.dps = 40
    print("sum", threshold, mpmath.nstr(value, 17))
