"""A demonstration on real parts: four models served from the digits of scikit-learn."""
