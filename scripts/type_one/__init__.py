"""How often each reducer with each two-sample test alarms where nothing has moved."""
