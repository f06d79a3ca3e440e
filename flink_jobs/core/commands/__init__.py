"""Commands of operators and their effects."""
