"""What is taken out of a disparity before it is trusted: a filter a file, and the chain that runs them."""
