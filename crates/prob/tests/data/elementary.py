"""Writes elementary.txt: elementary functions at exact floats, rounded up to the next float.

Python 3.9 or later, mpmath==1.3.0.  Run:  python3 elementary.py > elementary.txt
Each line: function, bits of the argument, bits of the least float that is at least the value.
"""

import math
import random
import struct

import mpmath

assert mpmath.__version__ == "1.3.0"
mpmath.mp.prec = 2400  # ln(sinh(a)/a) at a = 1e-300 cancels 2000 bits; 60 digits remain


def bits(x):
    return struct.pack(">d", x).hex()


def least_float_above(value):
    if value == 0:
        return 0.0
    x = float(value)
    if math.isinf(x):
        return x if x > 0 else math.nextafter(-math.inf, 0.0)
    while mpmath.mpf(x) < value:
        x = math.nextafter(x, math.inf)
    while mpmath.mpf(math.nextafter(x, -math.inf)) >= value:
        x = math.nextafter(x, -math.inf)
    return x


def log_sinhc(a):
    if a > 1500:  # e^-2a is far below the precision
        return a - mpmath.log(2 * a)
    return mpmath.log(mpmath.sinh(a) / a)


FUNCTIONS = {
    "exp": mpmath.exp,
    "ln": mpmath.log,
    "one_minus_exp": lambda x: -mpmath.expm1(-x),
    "log_sinhc": log_sinhc,
}

random.seed(20240229)
wide = [10.0 ** random.uniform(-300, 300) for _ in range(150)]
near_one = [1.0 + random.uniform(-0.01, 0.01) * 10 ** random.uniform(-12, 0) for _ in range(100)]
unit = [random.uniform(0, 1) for _ in range(100)]
tens = [random.uniform(0, 50) for _ in range(150)]
around_half = [0.5 + random.uniform(-1e-3, 1e-3) for _ in range(100)] + [0.5, math.nextafter(0.5, 1)]
extremes = [5e-324, 2.2250738585072014e-308, 1e-200, 1.0, math.nextafter(1, 0), math.nextafter(1, 2), 1e200, 1.7976931348623157e308]

ARGUMENTS = {
    "exp": [random.uniform(-745.2, 710) for _ in range(400)]
    + [random.uniform(-745.1, -700) for _ in range(150)]
    + [-x for x in tens + unit] + [k * math.log(2) for k in range(-1074, 1025, 37)]
    + [s * x for s in (-1, 1) for x in (5e-324, 1e-300, 1e-17, 1e-16, 1e-8, 709.0, 709.7827, 745.0, 745.1332)]
    + [-745.1333, -746.0, -1000.0, -1e300],
    "ln": wide + near_one + unit + tens + extremes,
    "one_minus_exp": wide[:75] + unit + tens + near_one + around_half + extremes,
    "log_sinhc": wide + unit + tens + around_half + extremes,
}

for name, function in FUNCTIONS.items():
    for x in ARGUMENTS[name]:
        print(name, bits(x), bits(least_float_above(function(mpmath.mpf(x)))))
