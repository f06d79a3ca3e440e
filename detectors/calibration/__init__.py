"""Calibration: from a statistic and its p-value to a judgement."""
