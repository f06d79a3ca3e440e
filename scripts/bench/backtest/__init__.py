"""Speed and memory of backtests, and the same work written with alibi-detect and NannyML."""
