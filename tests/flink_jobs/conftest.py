"""Property tests here run whole monitors: a deadline per example would measure the machine."""

from hypothesis import settings

settings.register_profile("monitor", deadline=None)
settings.load_profile("monitor")
