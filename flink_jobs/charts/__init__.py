"""What all pictures of scores and alerts share: colours, symbols, and thinning of long runs."""
