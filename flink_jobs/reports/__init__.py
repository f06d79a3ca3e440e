"""Reports: pages, charts, and alerts as text."""
