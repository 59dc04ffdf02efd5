"""Writes elementary.txt: sigmoid, tanh and their derivatives at exact floats, rounded down to a float.

Python 3.9 or later, mpmath==1.3.0.  Run:  python3 elementary.py > elementary.txt
Each line: function, bits of the argument, bits of the greatest float that is at most the value,
and "=" if the value is that float.
"""

import math
import random
import struct

import mpmath

assert mpmath.__version__ == "1.3.0"
mpmath.mp.prec = 2600  # 1 - 1/cosh(1e-300)^2 cancels 2000 bits; 40 digits remain


def bits(x):
    return struct.pack(">d", x).hex()


def greatest_float_below(value):
    x = float(value)
    while mpmath.mpf(x) > value:
        x = math.nextafter(x, -math.inf)
    while mpmath.mpf(math.nextafter(x, math.inf)) <= value:
        x = math.nextafter(x, math.inf)
    return x


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def sigmoid_slope(x):
    e = mpmath.exp(-abs(x))
    return e / (1 + e) ** 2


FUNCTIONS = {
    "sigmoid": sigmoid,
    "sigmoid_slope": sigmoid_slope,
    "tanh": mpmath.tanh,
    "tanh_slope": lambda x: 4 * sigmoid_slope(2 * x),
}

random.seed(20240229)
magnitudes = (
    [random.uniform(0, 1) for _ in range(80)]
    + [random.uniform(0, 40) for _ in range(120)]
    + [random.uniform(0, 760) for _ in range(60)]
    + [10.0 ** random.uniform(-320, 0) for _ in range(40)]
    # where msun's tanh changes formulas
    + [c + random.uniform(-1e-6, 1e-6) for c in (0.25541281, 0.54930614, 1.0, 20.0) for _ in range(6)]
    + [5e-324, 2.2250738585072014e-308, 1e-17, 1e-8, 0.5, 1.0, 2.0, 19.0, 22.0, 36.7368, 36.8, 708.4, 709.8, 744.4, 745.1, 745.2]
)
arguments = [0.0] + [sign * x for x in magnitudes for sign in (1, -1)]

for name, function in FUNCTIONS.items():
    for x in arguments:
        value = function(mpmath.mpf(x))
        below = greatest_float_below(value)
        print(name, bits(x), bits(below), *["="] * (mpmath.mpf(below) == value))
