"""The report of a backtest: one HTML file that needs no network, and a picture."""
