"""The protocol of Failing Loudly on real images, beside the paper's own numbers."""
