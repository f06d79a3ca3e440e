"""The numbers of the paper's Tables 1a and 1b, to print next to ours.

References
----------
Rabanser, Günnemann, Lipton: Failing Loudly: An Empirical Study of Methods for Detecting Dataset
Shift, NeurIPS 2019, doi:10.48550/arXiv.1810.11953
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SAMPLE_SIZES = (10, 20, 50, 100, 200, 500, 1000)
"""The paper's 10,000 is left out: no dataset here has as many images."""

TABLE_1A: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "ks-none": (0.03, 0.15, 0.26, 0.36, 0.41, 0.47, 0.54),
        "ks-pca": (0.11, 0.15, 0.30, 0.36, 0.41, 0.46, 0.54),
        "ks-srp": (0.15, 0.15, 0.23, 0.27, 0.34, 0.42, 0.55),
        "ks-uae": (0.12, 0.16, 0.27, 0.33, 0.41, 0.49, 0.56),
        "ks-tae": (0.18, 0.23, 0.31, 0.38, 0.43, 0.47, 0.55),
        "ks-bbsds": (0.19, 0.28, 0.47, 0.47, 0.51, 0.65, 0.70),
        "chi2-bbsdh": (0.03, 0.07, 0.12, 0.22, 0.22, 0.40, 0.46),
        "binomial-classif": (0.01, 0.03, 0.11, 0.21, 0.28, 0.42, 0.51),
        "mmd-none": (0.14, 0.15, 0.22, 0.28, 0.32, 0.44, 0.55),
        "mmd-pca": (0.15, 0.18, 0.33, 0.38, 0.40, 0.46, 0.55),
        "mmd-srp": (0.12, 0.18, 0.23, 0.31, 0.31, 0.44, 0.54),
        "mmd-uae": (0.20, 0.27, 0.40, 0.43, 0.45, 0.53, 0.61),
        "mmd-tae": (0.18, 0.26, 0.37, 0.38, 0.45, 0.52, 0.59),
        "mmd-bbsds": (0.16, 0.20, 0.25, 0.35, 0.35, 0.47, 0.50),
    }
)
"""Share of shifts detected, all shifts and shares of MNIST and CIFAR-10: 300 decisions a cell."""

TABLE_1B: Mapping[str, Mapping[str, tuple[float, ...]]] = MappingProxyType(
    {
        "ks-bbsds": {
            "s_gn": (0.00, 0.00, 0.03, 0.03, 0.07, 0.10, 0.10),
            "m_gn": (0.00, 0.00, 0.10, 0.13, 0.13, 0.13, 0.23),
            "l_gn": (0.17, 0.27, 0.53, 0.63, 0.67, 0.83, 0.87),
            "s_img": (0.00, 0.00, 0.23, 0.30, 0.40, 0.63, 0.70),
            "m_img": (0.30, 0.37, 0.60, 0.67, 0.70, 0.80, 0.90),
            "l_img": (0.30, 0.50, 0.70, 0.70, 0.77, 0.87, 0.97),
            "adv": (0.13, 0.27, 0.40, 0.43, 0.53, 0.77, 0.83),
            "ko": (0.00, 0.00, 0.07, 0.07, 0.07, 0.33, 0.40),
            "m_img+ko": (0.13, 0.40, 0.87, 0.93, 0.90, 1.00, 1.00),
            "oz+m_img": (0.67, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00),
        },
        "mmd-uae": {
            "s_gn": (0.03, 0.03, 0.03, 0.03, 0.03, 0.07, 0.07),
            "m_gn": (0.03, 0.03, 0.03, 0.03, 0.17, 0.27, 0.30),
            "l_gn": (0.50, 0.57, 0.67, 0.70, 0.80, 0.90, 1.00),
            "s_img": (0.17, 0.20, 0.27, 0.30, 0.40, 0.47, 0.63),
            "m_img": (0.23, 0.33, 0.37, 0.40, 0.47, 0.60, 0.70),
            "l_img": (0.30, 0.30, 0.37, 0.47, 0.60, 0.77, 0.87),
            "adv": (0.03, 0.20, 0.27, 0.27, 0.33, 0.40, 0.40),
            "ko": (0.10, 0.13, 0.13, 0.13, 0.17, 0.17, 0.30),
            "m_img+ko": (0.20, 0.30, 0.37, 0.53, 0.54, 0.63, 0.87),
            "oz+m_img": (0.27, 0.63, 0.77, 1.00, 1.00, 1.00, 1.00),
        },
    }
)
"""Share detected by shift, 30 decisions a cell."""

Row = tuple[float, ...]

TABLE_2: Mapping[str, Mapping[str, Row]] = MappingProxyType(
    {
        "ks-bbsds": {
            "small": (0.00, 0.00, 0.14, 0.14, 0.18, 0.36, 0.40),
            "medium": (0.14, 0.21, 0.39, 0.38, 0.42, 0.57, 0.66),
            "large": (0.32, 0.54, 0.78, 0.82, 0.83, 0.92, 0.96),
            "share 0.1": (0.11, 0.15, 0.24, 0.25, 0.28, 0.44, 0.54),
            "share 0.5": (0.14, 0.28, 0.52, 0.53, 0.60, 0.68, 0.72),
            "share 1.0": (0.26, 0.41, 0.61, 0.64, 0.70, 0.82, 0.84),
        },
        "mmd-uae": {
            "small": (0.11, 0.11, 0.12, 0.14, 0.20, 0.23, 0.33),
            "medium": (0.11, 0.19, 0.23, 0.27, 0.32, 0.42, 0.44),
            "large": (0.34, 0.45, 0.57, 0.68, 0.72, 0.82, 0.93),
            "share 0.1": (0.12, 0.13, 0.21, 0.26, 0.27, 0.31, 0.44),
            "share 0.5": (0.19, 0.27, 0.41, 0.41, 0.47, 0.57, 0.60),
            "share 1.0": (0.29, 0.41, 0.44, 0.53, 0.60, 0.70, 0.78),
        },
    }
)
"""Share detected by intensity and by share of shifted rows."""

INTENSITIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "small": ("s_gn", "s_img", "ko"),
        "medium": ("m_gn", "m_img", "adv"),
        "large": ("l_gn", "l_img", "m_img+ko", "oz+m_img"),
    }
)
"""Shifts that the paper calls small, medium and large."""

NOISE = ("s_gn", "m_gn", "l_gn")
