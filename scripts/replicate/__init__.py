"""The protocol of Failing Loudly on real images, next to the paper's own numbers."""
