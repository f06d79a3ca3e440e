"""Workers in the environment of each peer: NumPy, the peer and nothing of this project."""
