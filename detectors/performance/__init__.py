"""What a drift means: which events show it, which classes it moved, whether it does harm."""
