"""Writes grid_thresholds.txt: floor(2^64 Phi((k + 1/2)/(sigma levels))) with fifty digits. Needs mpmath."""

import pathlib

from mpmath import mp, mpf, erfc, sqrt, floor

mp.dps = 60
lines = ["# sigma levels k floor(2^64 Phi((k + 1/2)/(sigma levels))); grid_thresholds.py"]
for sigma, levels in [(0.25, 255), (0.12, 255), (1.0, 255), (0.0625, 1), (0.5, 3), (3.0, 4096)]:
    s = mpf(sigma) * levels
    for step in range(-16, 17):
        k = int(floor(s * step / 2))
        value = floor(2**64 * erfc(-(mpf(k) + mpf(1) / 2) / s / sqrt(mpf(2))) / 2)
        if 0 < value < 2**64 - 1:
            lines.append(f"{sigma} {levels} {k} {int(value)}")
lines = list(dict.fromkeys(lines))
pathlib.Path(__file__).with_suffix(".txt").write_text("\n".join(lines) + "\n")
