"""Control of false discoveries over many decisions, from e-values."""
